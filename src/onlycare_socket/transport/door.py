"""The first words of a connection: a plain WebSocket upgrade goes straight to its session, all else to aiohttp.

After a restart every phone of a carrier comes back within seconds, each with one upgrade on a connection of its own.
On that way through aiohttp a request costs more than everything that is Engine.IO's (docs/performance.md). So the first
bytes of a connection are looked at here, and only those: they are the beginning of a request head whatever comes, which
holds nowhere else. What is not exactly a plain upgrade that would be let in, aiohttp reads and answers as ever.
"""

import asyncio
from collections.abc import Callable
from typing import cast

Take = Callable[[asyncio.Transport, bytes], bool]
"""Takes a connection over that began with these bytes, or says False and has done nothing."""


class Door(asyncio.Protocol):
    """A connection from which nothing has come yet."""

    __slots__ = ("closed", "closing_since", "head_since", "http", "take", "wire")

    def __init__(self, take: Take, http: Callable[[], asyncio.Protocol], closed: Callable[["Door"], None]) -> None:
        """`http` makes the protocol that gets what `take` does not; `closed` hears of the end of this one's part."""
        self.take = take
        self.http = http
        self.closed = closed
        self.wire: asyncio.Transport | None = None
        self.head_since: float | None = None
        self.closing_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first head is expected from now on."""
        self.wire = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self.head_since = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        """Decide whose the connection is."""
        wire, self.wire = self.wire, None
        self.closed(self)
        if wire is None or wire.is_closing() or self.take(wire, data):
            return
        protocol = self.http()
        wire.set_protocol(protocol)
        protocol.connection_made(wire)
        protocol.data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It left without a word."""
        self.wire = None
        self.closed(self)
