"""Call cycles, closed loop: initiate, incoming, accept, accepted, end, ended, and only then the next."""

from time import perf_counter
from typing import Any, Final

from bench.load.calls import ACCEPT, ACK_OF_ANSWER, ACK_OF_END, ACK_OF_INITIATE, END, new_run
from bench.load.crowd import Crowd
from bench.load.latencies import Latencies
from bench.load.loop import Loop
from bench.load.phone import Phone, Server
from bench.load.reports import Progress, Unexpected
from bench.load.talk import Pair, Step
from bench.load.usage import Window

CALLER: Final = (
    Step(ACK_OF_INITIATE, 1),
    Step(b'42["call:accepted"', 2, END),
    Step(ACK_OF_END, 4),
)
CALLEE: Final = (
    Step(b'42["call:incoming"', 8, ACCEPT),
    Step(ACK_OF_ANSWER, 16),
    Step(b'42["call:ended"', 32),
)
STALLED: Final = 10.0
"""Seconds without a single finished call after which the server is given up."""


class Cycles:
    """So many pairs, each with one call after the other, and perhaps more users who only are there."""

    def __init__(self, server: Server, pairs: int, idle: int = 0, expected: int = 400_000) -> None:
        self._loop = loop = Loop()
        run = new_run()
        self._pairs = [Pair((loop, server, 2 * n + 1), run, CALLER, CALLEE, self._over) for n in range(pairs)]
        self._idle = [Phone(loop, server, 2 * pairs + 1 + n) for n in range(idle)]
        self._latencies = Latencies(expected)
        self.done = 0

    def run(self, seconds: float, warmup: float, pid: int | None) -> dict[str, Any]:
        """Returns how many cycles were done in the measured time, and how long each took."""
        phones = [phone for pair in self._pairs for phone in (pair.caller, pair.callee)]
        Crowd(self._loop, [*self._idle, *phones]).connect()
        for pair in self._pairs:
            pair.dial()
        self._spend(warmup, "warming up")
        before = self.done
        self._latencies.forget()
        window = Window(pid)
        self._spend(seconds, "call cycles")
        used = window.close()
        return {
            "cycles": self.done - before,
            "cycle_ms": self._latencies.milliseconds(),
            **used,
        }

    def _over(self, pair: Pair) -> None:
        self.done += 1
        self._latencies.add(perf_counter() - pair.begun)
        pair.dial()

    def _spend(self, seconds: float, what: str) -> None:
        """Lets the calls go on for so long."""
        progress = Progress(what, seconds)
        begun = perf_counter()
        before, heard_at = self.done, begun
        while (now := perf_counter()) < begun + seconds:
            self._loop.run(never, min(begun + seconds, now + 0.25))
            progress.at(perf_counter() - begun)
            if self.done != before:
                before, heard_at = self.done, perf_counter()
            elif perf_counter() > heard_at + STALLED:
                raise Unexpected(f"no call came to its end in {STALLED:.0f} s")


def never() -> bool:
    """Says that there is nothing to wait for but the time."""
    return False
