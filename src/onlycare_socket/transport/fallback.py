"""WebSockets by aiohttp alone: slower and larger than picows, and without anything private of a library.

For the day a new version of either library breaks the hand-over (setting `websocket_engine = "aiohttp"`).
"""

import asyncio
from collections.abc import Sequence

from aiohttp import WSMsgType, web

from onlycare_socket.transport.heartbeat import Wheel
from onlycare_socket.transport.websocket import Accept, Receiver, frames
from onlycare_socket.wire.engineio import Binary, Packet

CLOSE_LIMIT = 5.0
"""Seconds a connection may take to finish closing before it is dropped."""

EMPTY_LIMIT = 1.0
"""Seconds all connections together may take when the server stops (see `listener.SHUTDOWN_TIMEOUT`)."""


class AiohttpSocket:
    """A WebSocket that aiohttp reads. It is written to directly, so that sending needs no await."""

    def __init__(self, transport: asyncio.Transport, max_queued: int) -> None:
        self._transport = transport
        self._max_queued = max_queued
        self.closing = False
        self.overrun = False
        """Whether it was dropped because its client does not read."""

    def send(self, packet: Packet) -> None:
        """Write a packet."""
        self.send_all((packet,))

    def send_all(self, packets: Sequence[Packet]) -> None:
        """Write the packets in one go."""
        if self.closing or self._transport.is_closing():
            return
        self._transport.write(frames(packets))
        if self._transport.get_write_buffer_size() > self._max_queued:
            self.overrun = True
            self._transport.abort()

    def close(self) -> None:
        """End the connection behind what was sent; `WebSocket.close` says why there is no close frame."""
        if not self.closing:
            self.closing = True
            self._transport.close()
            asyncio.get_running_loop().call_later(CLOSE_LIMIT, self._transport.abort)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()


class AiohttpHall:
    """All WebSockets of one endpoint."""

    def __init__(self, max_payload: int, max_queued: int, wheel: Wheel) -> None:
        self._max_payload = max_payload
        self._max_queued = max_queued
        self._live: set[AiohttpSocket] = set()

    async def take(self, request: web.Request, accept: Accept) -> web.StreamResponse:
        """Serve a checked upgrade request until its WebSocket is gone."""
        transport = request.transport
        response = web.WebSocketResponse(
            timeout=CLOSE_LIMIT,
            autoping=False,
            max_msg_size=self._max_payload + 1,  # aiohttp refuses its limit itself
            compress=False,
        )
        await response.prepare(request)
        assert transport is not None
        transport.set_write_buffer_limits(self._max_queued * 2)
        socket = AiohttpSocket(transport, self._max_queued)
        receiver: Receiver | None = None
        self._live.add(socket)
        try:
            receiver = accept(socket)
            async for message in response:
                if message.type is WSMsgType.TEXT:
                    receiver.receive(message.data.encode())
                elif message.type is WSMsgType.BINARY:
                    receiver.receive(Binary(message.data))
                elif message.type is WSMsgType.PING and receiver.spend(len(message.data)):
                    await response.pong(message.data)
        finally:
            self._live.discard(socket)
            if receiver is not None:
                receiver.lost("slow reader" if socket.overrun else "transport close")
        return response

    async def empty(self) -> None:
        """Close what is left and wait until all are gone; drop those that stall."""
        for socket in list(self._live):
            socket.close()
        end = asyncio.get_running_loop().time() + EMPTY_LIMIT
        while self._live and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - only when the process stops
            await asyncio.sleep(0.01)
        for socket in list(self._live):
            socket.abort()
