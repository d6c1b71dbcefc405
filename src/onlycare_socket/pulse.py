"""The heartbeat of the process: what is to be done a few times a second, and how late the loop was for it.

What a tick does may fail: it is logged once a minute and the next tick comes all the same, for a deadline that is not
swept is a phone that rings for ever.
"""

import asyncio
import gc
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

import structlog

TICK = 0.25
"""Seconds between two ticks: how late a deadline may fire."""
_QUIET = 60.0

log = structlog.get_logger(__name__)


class Buckets:
    """A histogram of seconds without labels or locks, for one thread."""

    def __init__(self, bounds: Sequence[float] = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)) -> None:
        self.bounds = tuple(bounds)
        self.sum = 0.0
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Counts one value."""
        self.sum += seconds
        self._counts[bisect_left(self.bounds, seconds)] += 1

    def cumulative(self) -> list[tuple[str, float]]:
        """Returns pairs of an upper bound and how many values were not above it, as Prometheus wants them."""
        total = 0
        rows = []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self._counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class Pulse:
    """Calls `beats` every `TICK` seconds, and measures how late the loop is for it."""

    def __init__(self, beats: Sequence[Callable[[], None]]) -> None:
        self._beats = tuple(beats)
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0
        self.lag = Buckets()

    def start(self) -> None:
        """Begins to tick on the running loop."""
        loop = asyncio.get_running_loop()
        self._plan(loop, loop.time() + TICK)

    def stop(self) -> None:
        """Ends it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._timer = loop.call_at(due, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self.lag.observe(max(0.0, now - due))
        self._plan(loop, max(due + TICK, now))
        self.beat()

    def beat(self) -> None:
        """Does now what is to be done at every tick."""
        for beat in self._beats:
            self._run(beat)

    def _run(self, beat: Callable[[], None]) -> None:
        try:
            beat()
        except Exception:
            now = time.monotonic()
            if now >= self._quiet_until:
                self._quiet_until = now + _QUIET
                log.exception("a regular task failed; it is tried again at the next tick")


class GcPauses:
    """Measures how long the garbage collector stops the process."""

    def __init__(self) -> None:
        self.pauses = Buckets()
        self._began = 0.0

    def start(self) -> None:
        """Begins to measure."""
        gc.callbacks.append(self._collecting)

    def stop(self) -> None:
        """Ends it."""
        if self._collecting in gc.callbacks:
            gc.callbacks.remove(self._collecting)

    def _collecting(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.pauses.observe(time.perf_counter() - self._began)
