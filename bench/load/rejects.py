"""Rejected calls at a fixed rate, open loop: a call is dialled when its time has come, whatever the server is doing.

The latency is that from the callee's emit of `call:reject` to the caller's receipt of `call:rejected`. A pair has one
call at a time; when all of them are waiting for the server, the schedule runs late, and how late is part of the result.
"""

from collections import deque
from time import perf_counter
from typing import Any, Final

from bench.load.calls import ACK_OF_ANSWER, ACK_OF_INITIATE, REJECT
from bench.load.crowd import Crowd
from bench.load.latencies import Latencies
from bench.load.loop import Loop
from bench.load.phone import Server
from bench.load.reports import line
from bench.load.stretch import go_on
from bench.load.talk import Pair, Step, finish, phones_of, several
from bench.load.usage import Window

CALLER: Final = (Step(ACK_OF_INITIATE, 1), Step(b'42["call:rejected"', 2, timed=True))
CALLEE: Final = (Step(b'42["call:incoming"', 4, REJECT), Step(ACK_OF_ANSWER, 8))


class Rejects:
    """Pairs that take turns to call, so many times a second in all."""

    def __init__(self, server: Server, users: int, rate: float) -> None:
        self._loop = loop = Loop()
        self._pairs = several(users // 2, loop, server, CALLER, CALLEE, self._over)
        self._free = deque(self._pairs)
        self._interval = 1 / rate
        self._begun = 0.0
        self._dialled = 0
        self._done = 0
        self._going = True
        self._latencies = Latencies()
        self._late = Latencies()

    def run(self, seconds: float, warmup: float, pid: int | None) -> dict[str, Any]:
        """Returns how many calls were rejected in the measured time, how long each took, and how late they were."""
        Crowd(self._loop, phones_of(self._pairs)).connect()
        line(event="connected", connections=2 * len(self._pairs))
        self._begun = perf_counter()
        self._catch_up()
        go_on(self._loop, warmup, "warming up", lambda: self._done)
        before = self._done
        self._latencies.forget()
        self._late.forget()
        window = Window(pid)
        go_on(self._loop, seconds, "rejected calls", lambda: self._done)
        used, done = window.close(), self._done - before
        self._going = False
        finish(self._loop, self._pairs)
        late = self._late.milliseconds()
        return {
            "calls": done,
            "latency_ms": self._latencies.milliseconds(),
            "late_p99_ms": late.get("p99"),
            "late_max_ms": late.get("max"),
            **used,
        }

    def _catch_up(self) -> None:
        """Dials every call whose time has come, as far as there are pairs, and comes back for the next."""
        while self._free and self._going:
            now, due = perf_counter(), self._begun + self._dialled * self._interval
            if now < due:
                self._loop.at(due, self._catch_up)
                return
            self._late.add(now - due)
            self._dialled += 1
            self._free.popleft().dial()

    def _over(self, pair: Pair) -> None:
        self._free.append(pair)
        if not self._going:
            return
        self._done += 1
        self._latencies.add(pair.took)
        if len(self._free) == 1:
            self._catch_up()
