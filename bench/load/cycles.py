"""Call cycles, closed loop: initiate, incoming, accept, accepted, end, ended, and only then the next."""

from time import perf_counter
from typing import Any, Final

from bench.load.calls import ACCEPT, ACK_OF_ANSWER, ACK_OF_END, ACK_OF_INITIATE, END
from bench.load.crowd import Crowd
from bench.load.latencies import Latencies
from bench.load.loop import Loop
from bench.load.phone import Phone, Server
from bench.load.stretch import go_on
from bench.load.talk import Pair, Step, finish, phones_of, several
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


class Cycles:
    """So many pairs, each with one call after the other, and perhaps more users who only are there."""

    def __init__(self, server: Server, pairs: int, idle: int = 0) -> None:
        self._loop = loop = Loop()
        self._pairs = several(pairs, loop, server, CALLER, CALLEE, self._over)
        self._idle = [Phone(loop, server, 2 * pairs + 1 + number) for number in range(idle)]
        self._latencies = Latencies()
        self._done = 0
        self._going = True

    def run(self, seconds: float, warmup: float, pid: int | None) -> dict[str, Any]:
        """Returns how many cycles were done in the measured time, and how long each took."""
        Crowd(self._loop, [*self._idle, *phones_of(self._pairs)]).connect()
        for pair in self._pairs:
            pair.dial()
        go_on(self._loop, warmup, "warming up", lambda: self._done)
        before = self._done
        self._latencies.forget()
        window = Window(pid)
        go_on(self._loop, seconds, "call cycles", lambda: self._done)
        used, done = window.close(), self._done - before
        self._going = False
        finish(self._loop, self._pairs)
        return {"cycles": done, "cycle_ms": self._latencies.milliseconds(), **used}

    def _over(self, pair: Pair) -> None:
        if self._going:
            self._done += 1
            self._latencies.add(perf_counter() - pair.begun)
            pair.dial()
