"""One timer for all sessions: a wheel of slots, each a tick wide.

A session stands in the slot of its next deadline. A deadline that moves later is left where it is: when its slot
comes up the session looks at its own times and is put into a later one. So the traffic of a session never touches
the wheel, and a tick costs only what is due in it.

Slots are run when they begin, so a deadline is met at most one tick early and never late by design; the tick is
small against every time it serves.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger("onlycare_socket.transport")

FINEST, COARSEST = 0.01, 0.1
"""Seconds. With the default times ten ticks a second, which cost nothing measurable when nothing is due."""

STALL = 1.0
"""Seconds a tick may be late before it is thought that the process was stopped: packets that arrived meanwhile are
read before anybody is declared dead."""

RETRY = 1.0
"""Seconds after which an entry is asked again that failed: its later deadlines are to be met all the same."""


def tick_for(*times: float) -> float:
    """The width of a slot that suits deadlines of these lengths, in seconds."""
    return min(COARSEST, max(FINEST, min(times) / 20))


class Timed(Protocol):
    """What can stand in the wheel."""

    slot: int
    """Belongs to the wheel. -1 at first."""

    def due(self, now: float) -> float:
        """Do what is due at `now`; return when to be asked again, `math.inf` for never."""


class Wheel:
    """Calls `due` of everything in it in time. Stands still while it is empty."""

    def __init__(self, tick: float, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """`loop`: whose clock and timer to use; the running one when None."""
        self._tick = tick
        self._loop = loop
        self.watch: Callable[[Callable[[], None]], None] = _plainly
        """Carries out each turn: set it to measure how long they take."""
        self._slots: dict[int, set[Timed]] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def place(self, entry: Timed, when: float) -> None:
        """Ask `entry` again at `when` at the latest. Earlier than before moves it, later leaves it."""
        if when == math.inf:
            return
        if self._timer is None:
            self._start()
        slot = max(int(when / self._tick), self._next)
        if entry.slot != -1:
            if entry.slot <= slot:
                return
            self.remove(entry)
        self._slots.setdefault(slot, set()).add(entry)
        entry.slot = slot

    def remove(self, entry: Timed) -> None:
        """Take `entry` out; it is not called again."""
        entries = self._slots.get(entry.slot)
        if entries is not None:
            entries.discard(entry)
            if not entries:
                del self._slots[entry.slot]
        entry.slot = -1

    def run(self, last: int) -> None:
        """Run every slot up to `last`, which has begun."""
        horizon = (last + 1) * self._tick
        first, self._next = self._next, last + 1
        begun = range(first, last + 1) if last - first < len(self._slots) else sorted(self._slots)
        for slot in begun:
            if slot <= last:
                for entry in self._slots.pop(slot, ()):
                    self._ask(entry, horizon)

    def stop(self) -> None:
        """Forget everything and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()

    def _ask(self, entry: Timed, horizon: float) -> None:
        if entry.slot == -1:
            return  # removed while an earlier entry of the same slot was asked
        entry.slot = -1
        try:
            again = entry.due(horizon)
        except Exception:
            log.exception("heartbeat failed")
            again = horizon + RETRY
        if entry.slot == -1:
            self.place(entry, again)

    def _start(self) -> None:
        loop = self._loop = self._loop or asyncio.get_running_loop()
        self._next = int(loop.time() / self._tick) + 1
        self._timer = loop.call_at(self._next * self._tick, self._beat)

    def _beat(self) -> None:
        assert self._loop is not None
        if self._loop.time() - self._next * self._tick > STALL:
            self._timer = self._loop.call_later(self._tick, self._catch_up)
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        assert self._loop is not None
        self.watch(self._run_begun)
        self._timer = self._loop.call_at(self._next * self._tick, self._beat) if self._slots else None

    def _run_begun(self) -> None:
        assert self._loop is not None
        # At least the slot the timer was set for: its beginning divided by the tick may come out a hair too small.
        self.run(max(int(self._loop.time() / self._tick), self._next))


def _plainly(turn: Callable[[], None]) -> None:
    turn()
