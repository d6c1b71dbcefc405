"""Gives a WebSocket upgrade that aiohttp has parsed to picows, on the same connection.

aiohttp reads every request head, so that pipelining, keep-alive and early frames stay in order; then the connection
changes hands for good. This uses what neither library promises: `PRIVATE_AIOHTTP` and picows' `WSProtocol`. Both
libraries are pinned exactly and a test fails on any other version; `websocket_engine = "aiohttp"` is the way out.
"""

import asyncio
from typing import Any

import structlog
from aiohttp import web
from picows import WSAutoPingStrategy, WSListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not public

log = structlog.get_logger("onlycare_socket.transport")

AIOHTTP_VERSION, PICOWS_VERSION = "3.14.5", "2.3.1"
PRIVATE_AIOHTTP = ("set_parser", "transport", "connection_lost", "_payload_parser", "_message_tail", "_task_handler")

READ_BUFFER = 2048
"""Bytes. picows grows it as needed and never shrinks it, so it starts at the least that is allowed."""


class QuietLog:
    """Takes picows' log. No `logging.Logger`: for one of those it makes a child logger per connection, and one client
    could make it write without end. Only our own exceptions are passed on."""

    failures = 0
    """How often picows has closed a connection by itself. It tells nobody else."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Never, so that nothing is formatted."""
        return False

    def log(self, *args: object) -> None:
        """Nothing is kept."""

    debug = info = warning = log

    def error(self, *args: object) -> None:
        """A client broke the WebSocket protocol."""
        self.failures += 1

    def exception(self, message: str, *args: object) -> None:
        """A bug in a receiver."""
        log.exception("websocket receiver failed")


class EarlyBytes:
    """Stands in for aiohttp's WebSocket parser and keeps what the client sent before our answer."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep the bytes; never the end."""
        self.data += bytes(data)
        return False, b""

    def feed_eof(self) -> None:
        """Nothing to do: picows sees the end of the stream itself."""


class HandedOver(web.StreamResponse):
    """The answer a handler returns when the connection is no longer aiohttp's: it writes nothing."""

    def __init__(self) -> None:
        super().__init__(status=101)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""

    async def write_eof(self, data: Any = b"") -> None:
        """Write no end."""


def hand_over(request: web.Request, listener: WSListener, max_frame: int, quiet: QuietLog) -> web.StreamResponse:
    """Answer a checked upgrade request by picows. There must be no await between this and the handler's return.

    The address and all else of the request must have been read before: afterwards it has no connection. Whatever
    goes wrong aborts the connection.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        return HandedOver()
    early = EarlyBytes()
    http = request.protocol
    http.set_parser(early)  # type: ignore[arg-type]
    http.transport = None  # so that aiohttp neither writes nor closes
    try:
        http.connection_lost(None)  # as if the client had left; its task ends after HandedOver
    except BaseException:
        transport.abort()
        raise
    give(transport, request.headers["Sec-WebSocket-Key"], early.data, listener, max_frame, quiet)
    return HandedOver()


def give(
    transport: asyncio.Transport, key: str, early: bytes, listener: WSListener, max_frame: int, quiet: QuietLog
) -> None:
    """Make picows the protocol of a connection whose upgrade request, with this key, has been read and checked.

    `early` is what came behind the request. Whatever goes wrong aborts the connection.
    """
    try:
        protocol = WSProtocol(
            None, None, False, lambda _: listener, quiet, True,
            None,  # no handshake timer: the head is here
            False, 0, 0, WSAutoPingStrategy.PING_WHEN_IDLE, False,  # the listener answers pings
            max_frame, None, READ_BUFFER,
        )  # fmt: skip
        transport.set_protocol(_NOBODY)  # else uvloop keeps the former protocol alive: 2 KB a connection
        transport.set_protocol(protocol)
        transport.resume_reading()  # aiohttp pauses when much came early
        protocol.connection_made(transport)
        _feed(protocol, _head(key) + early)
    except BaseException:
        transport.abort()
        raise


_NOBODY = asyncio.Protocol()


def _head(key: str) -> bytes:
    """The least that picows takes for an upgrade request."""
    return (
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: %b\r\n\r\n" % key.encode()
    )


def _feed(protocol: Any, data: bytes) -> None:
    """Give picows bytes in pieces of the size it has room for."""
    rest = memoryview(data)
    while rest:
        room = protocol.get_buffer(-1)
        size = min(len(room), len(rest))
        room[:size] = rest[:size]
        protocol.buffer_updated(size)
        rest = rest[size:]
