"""Reads the head of a plain WebSocket upgrade, the way phones and browsers send it; everything else is not for it.

Not an HTTP parser: it knows one shape, and says None to whatever differs from it in the least (a head in pieces, bytes
behind it, a body, no host, a header given twice, escapes in the query). What it says None to is read by aiohttp, so a
doubt costs time and never a wrong answer. RFC 9112 sections 2 to 5 and RFC 6455 section 4.1.
"""

import re
from typing import Final

from msgspec import Struct

MOST: Final = 4096
"""Bytes of a head that is looked at."""

_HEAD = re.compile(
    rb"GET (/[\w./-]*)\?([\w.~=&-]+) HTTP/1\.1\r\n"
    rb"((?:[\w!#$%&'*+.^`|~-]+:[ \t]*[!-~](?:[ -~]*[!-~])?[ \t]*\r\n)+)\r\n",
    re.ASCII,
)
_NOT_PLAIN = ("content-length", "transfer-encoding", "expect", "sec-websocket-key1")
"""Headers of a body, and of WebSockets before RFC 6455."""


class UpgradeHead(Struct, frozen=True, gc=False):
    """A GET of HTTP/1.1 without a body: no name stands twice in its query or its headers.

    The names of `headers` are in lower case.
    """

    path: str
    query: dict[str, str]
    headers: dict[str, str]


def read_upgrade(data: bytes) -> UpgradeHead | None:
    """Returns the head that is the whole of `data`, or None when aiohttp is to read it."""
    match = _HEAD.fullmatch(data) if len(data) <= MOST else None
    if match is None:
        return None
    path, written, lines = match[1].decode(), match[2].decode(), match[3].decode()
    pairs = [pair.partition("=") for pair in written.split("&")]
    query = {name: value for name, _, value in pairs}
    fields = [line.partition(":") for line in lines[:-2].split("\r\n")]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    if len(query) != len(pairs) or len(headers) != len(fields):
        return None
    if "host" not in headers or any(name in headers for name in _NOT_PLAIN):
        return None
    return UpgradeHead(path, query, headers)
