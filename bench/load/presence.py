"""Presence: users come online one after the other, and everybody who is there is told of each."""

from time import perf_counter
from typing import Any, Final

from bench.load.crowd import Crowd
from bench.load.latencies import Latencies
from bench.load.loop import Loop
from bench.load.phone import Phone, Server
from bench.load.reports import Progress, Unexpected
from bench.load.usage import Window

ONLINE: Final = b'42["user:online"'
QUIET: Final = 0.3
"""Seconds without an event after which the listeners have heard of each other."""
PATIENCE: Final = 10.0
"""Seconds within which everybody has to hear of one user."""


class Presence:
    """Listeners, and users who come."""

    def __init__(self, server: Server, listeners: int, comings: int) -> None:
        self._loop = Loop()
        self._listeners = [Listener(self._loop, server, number, self) for number in range(1, listeners + 1)]
        self._comers = [Listener(self._loop, server, listeners + 1 + n, self) for n in range(comings)]
        self._latencies = Latencies(comings)
        self.comer = b""
        """The one who is awaited, as he stands in an event."""
        self.wanted = self.heard = self.beside = 0
        self.last = 0.0
        """When the last of those who were wanted heard of him."""

    def run(self, pid: int | None) -> dict[str, Any]:
        """Returns the events that were delivered, and how long it took from a CONNECT until all had heard."""
        Crowd(self._loop, self._listeners).connect()
        self._settle()
        progress = Progress("presence", len(self._comers))
        deliveries = 0
        window = Window(pid)
        for number, comer in enumerate(self._comers):
            deliveries += self._come(comer, len(self._listeners) + number)
            progress.at(number + 1)
        used = window.close()
        return {"deliveries": deliveries, "latency_ms": self._latencies.milliseconds(), **used}

    def _come(self, comer: "Listener", listeners: int) -> int:
        """Has one user come, and waits until so many have heard of it; those who came before hear of it as well."""
        self.comer, self.heard, self.wanted = f'"{comer.user}"'.encode(), 0, listeners
        arrived: list[bool] = []
        comer.open(lambda: arrived.append(True))
        if not self._loop.run(lambda: self.heard >= listeners and bool(arrived), perf_counter() + PATIENCE):
            raise Unexpected(f"{self.heard} of {listeners} users heard of {comer.user} within {PATIENCE:.0f} s")
        self._latencies.add(self.last - comer.asked)
        return listeners

    def _settle(self) -> None:
        """Waits until the listeners have heard of each other."""
        limit = perf_counter() + 6 * PATIENCE
        before = -1
        while self.beside != before:
            before = self.beside
            self._loop.run(lambda: False, perf_counter() + QUIET)
            if perf_counter() > limit:
                raise Unexpected("the server does not stop telling the listeners of each other")


class Listener(Phone):
    """A user who is told who comes."""

    __slots__ = ("_heard_of", "_presence")

    def __init__(self, loop: Loop, server: Server, number: int, presence: Presence) -> None:
        super().__init__(loop, server, number)
        self._presence = presence
        self._heard_of = b""

    def hear(self, packet: bytes) -> None:
        """Counts the news of the one who is awaited."""
        presence = self._presence
        if not packet.startswith(ONLINE):
            self.otherwise(packet, "who comes online")
        elif presence.comer and presence.comer in packet:
            if self._heard_of is presence.comer:
                raise Unexpected(f"{self.user} was told of {presence.comer.decode()} twice")
            self._heard_of = presence.comer
            presence.heard += 1
            if presence.heard == presence.wanted:
                presence.last = perf_counter()
        else:
            presence.beside += 1
