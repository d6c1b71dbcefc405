"""Which layer of the server a sample belongs to: py-spy's raw output, folded.

A line of it is one stack, outermost frame first, and how many samples had it. A sample belongs to the layer of its
innermost frame that belongs to any. Frames of the interpreter, of the allocator and of built-in types belong to none:
what they do is done for whoever called them.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

_SYSTEM_CALL: Final = r"(?:__)?(?:libc_)?(?:(?:send|recv)\w*|writev?|read|poll|epoll_\w+)(?:64)? \(.*libc"
_OURS: Final = r".*\(.*onlycare_socket/"

LAYERS: Final = {
    "system calls": _SYSTEM_CALL,
    "event loop, picows": r".*\((?:(?:picows|uvloop|asyncio)/|(?:loop|core|linux|stream|timer|tcp)\.c:)",
    "JSON": rf"(?:JSON|json_|ms_resize|ms_write).*msgspec|{_OURS}wire/",
    "transport": rf"{_OURS}transport/",
    "events of clients": rf"{_OURS}(?:socket_api|socket_payloads|limits)\.py",
    "rules of calls": rf"{_OURS}calls/",
    "switchboard, sockets, store": rf"{_OURS}(?:switchboard|sockets|presence|ports|adapters/\w+)\.py",
    "metrics, logs": rf"{_OURS}(?:metrics|instruments|pulse|logs/\w+)\.py|.*\((?:structlog|prometheus_client)/",
}
"""From the outside in, by a pattern that matches a frame's beginning."""

REST: Final = "everything else"
HANDLING: Final = ("on_ws_frame (", "uv__", "run_forever (", "Loop__run (")
"""Frames of a server that runs. Stacks without any of them are of its start and end."""

_PATTERNS: Final = tuple((layer, re.compile(pattern)) for layer, pattern in LAYERS.items())
_LINE: Final = re.compile(r":\d+\)")


def fold(raw: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Returns the samples of every layer, and of every function of a layer, named as `name (file)`."""
    layers: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in raw:
        stack, _, count = line.strip().rpartition(" ")
        if count.isdigit() and any(mark in stack for mark in HANDLING):
            layer, frame = _innermost(stack.split(";"))
            layers[layer] += int(count)
            functions[_LINE.sub(")", frame)] += int(count)
    return layers, functions


def _innermost(frames: list[str]) -> tuple[str, str]:
    for frame in reversed(frames):
        for layer, pattern in _PATTERNS:
            if pattern.match(frame):
                return layer, frame
    return REST, frames[-1]
