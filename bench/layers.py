"""Which layer of the server a sample belongs to: py-spy's raw output, folded.

A line of it is one stack, outermost frame first, and how many samples had it. A sample belongs to the layer of its
innermost frame that belongs to any. Frames of the interpreter, of the allocator and of built-in types belong to none:
what they do is done for whoever called them. A function compiled by mypyc, `CPyDef_rules___decide`, is read as the
one it was compiled from.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bench.machine import ROOT

_SYSTEM_CALL: Final = r"(?:__)?(?:libc_)?(?:(?:send|recv)\w*|writev?|read|poll|epoll_\w+)(?:64)? \(.*libc"
_OURS: Final = r".*\(.*onlycare_socket/"

LAYERS: Final = {
    "system calls": _SYSTEM_CALL,
    "event loop, picows": r".*\((?:(?:picows|uvloop|asyncio)/|(?:loop|core|linux|stream|timer|tcp)\.c:)",
    "JSON": rf"(?:JSON|json_|ms_resize|ms_write).*msgspec|{_OURS}wire/",
    "transport": rf"{_OURS}transport/",
    "events of clients": rf"{_OURS}(?:socket_api|socket_payloads|limits)\.py",
    "rules of calls": rf"{_OURS}calls/",
    "switchboard, sockets, store": rf"{_OURS}(?:switchboard|sockets|presence|ports|delivery|adapters/\w+)\.py",
    "metrics, logs": rf"{_OURS}(?:metrics|instruments|pulse|logs/\w+)\.py|.*\((?:structlog|prometheus_client)/",
}
"""From the outside in, by a pattern that matches a frame's beginning."""

REST: Final = "everything else"
HANDLING: Final = ("on_ws_frame (", "uv__", "run_forever (", "Loop__run (")
"""Frames of a server that runs. Stacks without any of them are of its start and end."""

_PATTERNS: Final = tuple((layer, re.compile(pattern)) for layer, pattern in LAYERS.items())
_LINE: Final = re.compile(r":\d+\)")
_COMPILED: Final = re.compile(r"CPy(?:Def|Py)_(\w+) \(")
_NOT_ON_THE_WAY: Final = frozenset({"cli", "config", "http_api", "logs"})
"""Packages no call passes through, some of whose modules are named like those it does."""


def _modules() -> dict[str, Path]:
    """Finds the modules that a call may pass, by their names as mypyc shortens them: `session`, `wire___session`."""
    package = ROOT / "src" / "onlycare_socket"
    found: dict[str, Path] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[0] not in _NOT_ON_THE_WAY:
            found |= {"___".join(parts[start:]): path.relative_to(package.parent) for start in range(len(parts))}
    return found


_MODULES: Final = _modules()


def fold(raw: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Returns the samples of every layer, and of every function of a layer, named as `name (file)`."""
    layers: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in raw:
        stack, _, count = line.strip().rpartition(" ")
        if count.isdigit() and any(mark in stack for mark in HANDLING):
            layer, frame = _innermost([_source(frame) for frame in stack.split(";")])
            layers[layer] += int(count)
            functions[_LINE.sub(")", frame)] += int(count)
    return layers, functions


def _innermost(frames: list[str]) -> tuple[str, str]:
    for frame in reversed(frames):
        for layer, pattern in _PATTERNS:
            if pattern.match(frame):
                return layer, frame
    return REST, frames[-1]


def _source(frame: str) -> str:
    """Returns a compiled function's frame as the interpreter's would be, and any other as it is."""
    compiled = _COMPILED.match(frame)
    parts = compiled[1].split("___") if compiled else []
    for length in range(len(parts) - 1, 0, -1):
        path = _MODULES.get("___".join(parts[:length]))
        if path is not None:
            return f"{'.'.join(parts[length:])} ({path})"
    return frame
