"""The HTTP side of a polling session: at most one GET that waits and one POST at a time."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from onlycare_socket.wire.engineio import NOOP, MalformedPayload, Packet, Refusal, split_payload
from onlycare_socket.wire.session import Phase

if TYPE_CHECKING:
    from onlycare_socket.transport.session import Session


class Polling:
    """The requests of one session. Gone once the session is closed or upgraded."""

    __slots__ = ("_answer", "_posting", "session")

    def __init__(self, session: "Session") -> None:
        self.session = session
        self._answer: asyncio.Future[list[Packet]] | None = None
        self._posting = False

    @property
    def waiting(self) -> bool:
        """Whether a poll is open and not yet answered."""
        return self._answer is not None and not self._answer.done()

    def flush(self) -> None:
        """Answer the open poll, if there is one, with what is queued, as far as it fits."""
        if self.waiting:
            self.answer(self.session.take_queued())

    def answer(self, packets: list[Packet]) -> None:
        """Answer the open poll."""
        assert self._answer is not None
        self._answer.set_result(packets)

    def release(self) -> None:
        """End the open poll without waiting for something to say, since a WebSocket is about to take over."""
        if self.waiting:
            self.answer(self.session.take_queued() or [NOOP])

    def retire(self) -> None:
        """The WebSocket has taken over. What is queued leaves on it, so a poll still open carries nothing."""
        if self.waiting:
            self.answer([NOOP])

    async def get(self) -> list[Packet]:
        """What answers a poll: what is queued now, as far as it fits, else the next thing to say. Raises Refused."""
        session = self.session
        if self._answer is not None:
            session.reject("overlapping polls")
            raise Refused(Refusal.BAD_REQUEST)
        packets = session.take_queued()
        if not packets and session.machine.phase is Phase.PROBED:
            packets = [NOOP]
        return packets or await self._wait()

    async def post(self, request: web.Request) -> None:
        """Hand on the packets of a POST, in order. Raises Refused."""
        session = self.session
        if self._posting:
            session.reject("overlapping posts")
            raise Refused(Refusal.BAD_REQUEST, close=True)
        self._posting = True
        try:
            options = session.engine.options
            packets = split_payload(await read_body(request, options.max_payload, options.body_timeout))
        except asyncio.CancelledError:
            self._lost()
            raise
        except Refused:
            session.reject("bad request")
            raise
        except MalformedPayload:
            session.reject("parse error")
            raise Refused(Refusal.BAD_REQUEST) from None
        finally:
            self._posting = False
        self._deliver(packets)

    async def _wait(self) -> list[Packet]:
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        except asyncio.CancelledError:
            self._lost()
            raise
        finally:
            self._answer = None

    def _deliver(self, packets: list[Packet]) -> None:
        for packet in packets:
            self.session.receive(packet)
            if self.session.closed:
                break
        if self.session.rejected:
            raise Refused(Refusal.BAD_REQUEST)

    def _lost(self) -> None:
        """The client hung up on a request. After an upgrade that says nothing about the session."""
        if self.session.polling is self:
            self.session.lost("transport close")


class Refused(Exception):
    """Carries the error answer of a request to the route, which writes it."""

    def __init__(self, refusal: Refusal, *, close: bool = False, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.headers: Mapping[str, str] = headers or {}
        self.close = close
        """Whether the connection is not used again, because part of the body may not have been read."""


async def read_body(request: web.Request, max_size: int, limit: float) -> bytes:
    """The body of a POST, refused while it is read when it is too large, too slow or of the wrong kind."""
    if not _is_plain(request):
        raise Refused(Refusal.BAD_REQUEST, close=True)
    if request.content_length is not None and request.content_length > max_size:
        raise Refused(Refusal.PAYLOAD_TOO_LARGE, close=True)
    body = bytearray()
    try:
        async with asyncio.timeout(limit):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_size:
                    raise Refused(Refusal.PAYLOAD_TOO_LARGE, close=True)
    except (TimeoutError, web.RequestPayloadError, ConnectionError):
        raise Refused(Refusal.BAD_REQUEST, close=True) from None
    return bytes(body)


def _is_plain(request: web.Request) -> bool:
    """Whether the body is text that nothing has to be done to. Clients send text/plain or name no type."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        return False
    return "Content-Type" not in request.headers or request.content_type == "text/plain"
