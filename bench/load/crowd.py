"""Many phones come online, not more than so many at a time."""

from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from bench.load.latencies import Latencies
from bench.load.loop import Loop
from bench.load.phone import Phone
from bench.load.reports import Progress, Unexpected

CONCURRENCY: Final = 200
"""Handshakes under way at a time."""
PATIENCE: Final = 30.0
"""Seconds without a single phone coming online after which the server is given up."""


class Crowd:
    """Phones of which the next begins to connect when another is connected."""

    def __init__(self, loop: Loop, phones: Sequence[Phone], concurrency: int = CONCURRENCY) -> None:
        self._loop, self._total = loop, len(phones)
        self._waiting = deque(phones)
        self._concurrency = concurrency
        self.latencies = Latencies(len(phones))
        self.connected = 0

    def connect(self) -> None:
        """Has all of them connected. Raises Unexpected when the server refuses one, or stops answering."""
        progress = Progress("connecting", self._total)
        for _ in range(self._concurrency):
            self._next()
        while self.connected < self._total:
            before = self.connected
            enough = min(before + self._concurrency, self._total)
            self._loop.run(lambda: self.connected >= enough, perf_counter() + PATIENCE)  # noqa: B023
            if self.connected == before:
                raise Unexpected(f"{before} of {self._total} phones are connected, and no more in {PATIENCE:.0f} s")
            progress.at(self.connected)

    def _next(self) -> None:
        if self._waiting:
            phone = self._waiting.popleft()
            begun = perf_counter()
            phone.open(lambda: self._one_more(begun))

    def _one_more(self, begun: float) -> None:
        self.connected += 1
        self.latencies.add(perf_counter() - begun)
        self._next()
