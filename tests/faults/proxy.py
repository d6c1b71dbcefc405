"""A TCP proxy that treats connections as bad networks do.

It carries bytes between phones and a server, and on demand resets connections (RST), lets them go silent while both
ends believe in them (half-open), or holds every byte up. Connections are known by the port of the phone's end.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Iterable
from typing import Final, cast

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing sends a RST."""


class Proxy:
    """Listens on a free port of the loopback; `target` may change, for the connections to come."""

    def __init__(self) -> None:
        self.target = 0
        self.delay = 0.0
        """Seconds by which what comes from now on is held up, in both directions."""
        self.links: dict[int, Link] = {}
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Opens the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _PhoneEnd(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the port and every connection."""
        if self._server is not None:
            self._server.close()
        for link in list(self.links.values()):
            link.reset()
        await asyncio.sleep(0)

    def reset(self, ports: Iterable[int] | None = None) -> int:
        """Resets the connections of these phones, or all; returns how many there were."""
        links = self._of(ports)
        for link in links:
            link.reset()
        return len(links)

    def silence(self, ports: Iterable[int] | None = None) -> int:
        """Carries nothing more on the connections of these phones, or on all there are, not even their end."""
        links = self._of(ports)
        for link in links:
            link.silence()
        return len(links)

    def _of(self, ports: Iterable[int] | None) -> list["Link"]:
        return [link for port in (self.links if ports is None else ports) if (link := self.links.get(port))]


class Link:
    """One connection: the phone's end and the server's."""

    def __init__(self, proxy: Proxy, phone: asyncio.Transport) -> None:
        self._proxy = proxy
        self._phone = phone
        self._server: asyncio.Transport | None = None
        self._port: int = phone.get_extra_info("peername")[1]
        self.silent = False
        self.up = _Way(proxy)
        self.down = _Way(proxy)
        self.down.towards(phone)
        proxy.links[self._port] = self

    async def connect(self) -> None:
        """Opens the server's end; a server that is not there resets the phone's."""
        try:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(lambda: _ServerEnd(self), "127.0.0.1", self._proxy.target)
        except OSError:
            self.reset()
            return
        if self._phone.is_closing():
            transport.abort()
            return
        self._server = transport
        self.up.towards(transport)

    def reset(self) -> None:
        """Ends both ends with a RST."""
        for transport in (self._phone, self._server):
            if transport is not None:
                _reset(transport)
        self._forget()

    def silence(self) -> None:
        """Carries nothing more, while both ends stay open."""
        self.silent = True
        for transport in (self._phone, self._server):
            if transport is not None and not transport.is_closing():
                transport.pause_reading()

    def ended(self, way: "_Way") -> None:
        """Takes note that the end that feeds this way is gone; the other end learns of it behind what was sent."""
        if not self.silent:
            way.put(None)
        if way is self.up:
            self._forget()

    def _forget(self) -> None:
        if not self.silent and self._proxy.links.get(self._port) is self:
            del self._proxy.links[self._port]


class _Way:
    """One direction of a connection; keeps its order whatever the delay does."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._held: deque[tuple[float, bytes | None]] = deque()
        self._to: asyncio.Transport | None = None

    def towards(self, transport: asyncio.Transport) -> None:
        """Begins to deliver."""
        self._to = transport
        self._deliver()

    def put(self, data: bytes | None) -> None:
        """Takes what is to be delivered; None is the end."""
        due = asyncio.get_running_loop().time() + self._proxy.delay
        self._held.append((max(due, self._held[-1][0]) if self._held else due, data))
        if len(self._held) == 1:
            self._deliver()

    def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while self._held and self._to is not None:
            due, data = self._held[0]
            if due > loop.time():
                loop.call_at(due + 0.001, self._deliver)
                return
            self._held.popleft()
            if data is None:
                self._to.close()
            elif not self._to.is_closing():
                self._to.write(data)


class _PhoneEnd(asyncio.Protocol):
    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._link: Link
        self._connecting: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link = Link(self._proxy, cast(asyncio.Transport, transport))
        self._connecting = asyncio.get_running_loop().create_task(self._link.connect())

    def data_received(self, data: bytes) -> None:
        if not self._link.silent:
            self._link.up.put(data)

    def connection_lost(self, problem: Exception | None) -> None:
        self._link.ended(self._link.up)


class _ServerEnd(asyncio.Protocol):
    def __init__(self, link: Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        if not self._link.silent:
            self._link.down.put(data)

    def connection_lost(self, problem: Exception | None) -> None:
        self._link.ended(self._link.down)


def _reset(transport: asyncio.Transport) -> None:
    if transport.is_closing():
        return
    file: int = transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(file)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
