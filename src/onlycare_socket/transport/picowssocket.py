"""WebSockets whose frames picows parses, and the rest of RFC 6455 that picows leaves to its user.

That is: reserved bits, fragments and their order, UTF-8, close codes, the answer to a close and to a ping, size
limits of whole messages, and connections that do not finish closing.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, cast

import structlog
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from onlycare_socket.transport import websocket
from onlycare_socket.transport.handover import QuietLog, give, hand_over
from onlycare_socket.transport.heartbeat import Wheel
from onlycare_socket.transport.websocket import Accept, Receiver
from onlycare_socket.wire.engineio import Binary, Packet, is_text

log = structlog.get_logger("onlycare_socket.transport")

CLOSE_LIMIT = 5.0
"""Seconds a connection may take to finish closing before it is aborted."""

EMPTY_LIMIT = 1.0
"""Seconds all connections together may take when the server stops (see `listener.SHUTDOWN_TIMEOUT`)."""

TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
PING, CLOSE = WSMsgType.PING, WSMsgType.CLOSE
DATA_FRAMES = (TEXT, BINARY, CONTINUATION)


class PicowsSocket(WSListener):
    """A WebSocket whose frames picows parses."""

    __slots__ = ("accept", "closed", "fragments", "fragments_kind", "fragments_size", "hall", "out", "receiver", "wire")

    def __init__(self, hall: "PicowsHall", accept: Accept) -> None:
        self.hall = hall
        self.accept: Accept | None = accept
        self.receiver: Receiver | None = None
        self.wire: WSTransport | None = None
        self.out: asyncio.Transport | None = None
        self.closed = True
        self.fragments: list[bytes] | None = None
        self.fragments_kind = TEXT
        self.fragments_size = 0

    # What a session calls.

    def send(self, packet: Packet) -> None:
        """Write a packet, at once if the kernel takes it."""
        if not self.closed:
            assert self.wire is not None
            self.wire.send(BINARY if type(packet) is Binary else TEXT, packet)

    def send_all(self, packets: Sequence[Packet]) -> None:
        """Write the packets in one system call where the kernel takes them."""
        if len(packets) == 1:
            self.send(packets[0])
        elif not self.closed and self.out is not None and not self.out.is_closing():
            self.out.write(websocket.frames(packets))

    def close(self) -> None:
        """End the connection behind what was sent; `WebSocket.close` says why there is no close frame."""
        if self.closed:
            return
        assert self.out is not None
        self.closed = True
        self.hall.closing(self)
        self.out.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        self.closed = True
        if self.out is not None:
            self.out.abort()

    def _close_with(self, code: int) -> None:
        """Send a close frame and end the connection behind it."""
        if not self.closed:
            assert self.wire is not None
            self.wire.send_close(code)  # type: ignore[arg-type]  # takes any number
            self.close()

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is answered."""
        assert self.accept is not None
        self.wire, self.out, self.closed = transport, transport.underlying_transport, False
        _drop_headers(transport)
        limit = self.hall.max_queued
        self.out.set_write_buffer_limits(limit, limit // 4)  # uvloop's own low mark is 16 bytes
        self.hall.opened(self)
        accept, self.accept = self.accept, None
        try:
            self.receiver = accept(self)
        except Exception:  # picows would close the connection and say nothing
            log.exception("websocket could not be opened")
            self._close_with(websocket.INTERNAL_ERROR)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone."""
        receiver, self.receiver = self.receiver, None
        self.closed, self.wire, self.out, self.fragments = True, None, None, None
        self.hall.live.discard(self)
        self.hall.stuck.pop(self, None)
        if receiver is not None:
            receiver.lost("transport close")

    def pause_writing(self) -> None:
        """More is waiting than a client that reads ever lets wait."""
        self.closed = True
        if self.receiver is not None:
            receiver, self.receiver = self.receiver, None
            receiver.lost("slow reader")
        self.abort()

    def resume_writing(self) -> None:
        """Happens only while the connection is being dropped."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame, in order."""
        if self.closed:
            return
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._close_with(websocket.PROTOCOL_ERROR)
        elif kind is TEXT and frame.fin and self.fragments is None:
            data = frame.get_payload_as_bytes()
            if data.isascii():  # nearly always
                self.receiver.receive(data)  # type: ignore[union-attr]  # there is one while it is not closed
            else:
                self._text(data)
        elif kind in DATA_FRAMES:
            self._fragment(kind, frame)
        elif kind == CLOSE:
            self._close_with(_answer(frame))
        else:
            self._control(transport, kind, frame)

    def _fragment(self, kind: WSMsgType, frame: WSFrame) -> None:
        if (kind == CONTINUATION) != (self.fragments is not None):
            self._close_with(websocket.PROTOCOL_ERROR)
            return
        if self.fragments is None:
            if frame.fin:
                self._whole(kind, frame.get_payload_as_bytes())
                return
            self.fragments, self.fragments_kind, self.fragments_size = [], kind, 0
        self.fragments_size += frame.payload_size
        if self.fragments_size > self.hall.max_payload or len(self.fragments) >= websocket.MAX_FRAGMENTS:
            self._close_with(websocket.TOO_BIG)
            return
        self.fragments.append(frame.get_payload_as_bytes())
        if frame.fin:
            whole, self.fragments = b"".join(self.fragments), None
            self._whole(self.fragments_kind, whole)

    def _text(self, data: bytes) -> None:
        if data.isascii() or is_text(data):
            assert self.receiver is not None
            self.receiver.receive(data)
        else:
            self._close_with(websocket.BAD_TEXT)

    def _whole(self, kind: WSMsgType, data: bytes) -> None:
        if kind == BINARY:
            assert self.receiver is not None
            self.receiver.receive(Binary(data))
        else:
            self._text(data)

    def _control(self, transport: WSTransport, kind: WSMsgType, frame: WSFrame) -> None:
        if self.receiver is not None and self.receiver.spend(frame.payload_size) and kind == PING:
            transport.send_pong(frame.get_payload_as_bytes())


def _drop_headers(transport: WSTransport) -> None:
    """Free what picows would keep as long as the connection lives."""
    parsed: tuple[Any, Any] = (transport.request, transport.response)
    for half in parsed:
        half.headers = None


def _answer(frame: WSFrame) -> int:
    """The code to answer a client's close frame with. picows has refused most codes nobody may send."""
    code = cast(int, frame.get_close_code()) if frame.payload_size else websocket.NORMAL
    return websocket.PROTOCOL_ERROR if code in (0, 1005, 1006) or code >= 5000 else code


class PicowsHall:
    """All WebSockets of one endpoint: hands them over, and drops those that do not finish closing."""

    def __init__(self, max_payload: int, max_queued: int, wheel: Wheel) -> None:
        self.max_payload = max_payload
        self.max_queued = max_queued
        self.live: set[PicowsSocket] = set()
        self.stuck: dict[PicowsSocket, float] = {}
        self.slot = -1
        self._wheel = wheel
        self._log = QuietLog()
        self._failures_seen = 0

    def take(self, request: web.Request, accept: Accept) -> web.StreamResponse:
        """Answer a checked upgrade request; there must be no await between this and the handler's return."""
        return hand_over(request, PicowsSocket(self, accept), self.max_payload, self._log)

    def take_connection(self, transport: asyncio.Transport, key: str, accept: Accept) -> None:
        """Answer a checked upgrade, by its `Sec-WebSocket-Key`, on a connection of which aiohttp knows nothing."""
        give(transport, key, b"", PicowsSocket(self, accept), self.max_payload, self._log)

    def opened(self, socket: PicowsSocket) -> None:
        """Watch over `socket` from now on."""
        self.live.add(socket)
        self._wheel.place(self, self._time() + CLOSE_LIMIT)

    def closing(self, socket: PicowsSocket) -> None:
        """See to it that `socket` is gone soon."""
        limit = self._time() + CLOSE_LIMIT
        self.stuck.setdefault(socket, limit)
        self._wheel.place(self, limit)

    def due(self, now: float) -> float:
        """Abort what has been closing for too long. Asked every few seconds while there is any WebSocket."""
        self._find_failures()
        for socket, limit in list(self.stuck.items()):
            if limit <= now:
                del self.stuck[socket]
                socket.abort()
        return now + CLOSE_LIMIT if self.live else math.inf

    async def empty(self) -> None:
        """Close what is left and wait until all are gone; drop those that stall."""
        for socket in list(self.live):
            socket.close()
        end = self._time() + EMPTY_LIMIT
        while self.live and self._time() < end:  # noqa: ASYNC110 - only when the process stops
            await asyncio.sleep(0.01)
        for socket in list(self.live):
            socket.abort()
        await asyncio.sleep(0)  # lets the connections report that they are gone

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    def _find_failures(self) -> None:
        """Find the connections that picows is closing by itself."""
        if self._failures_seen == self._log.failures:
            return
        self._failures_seen = self._log.failures
        for socket in list(self.live):
            if socket.wire is not None and socket.wire.is_close_frame_sent:
                self.closing(socket)
