"""What stops the event loop, measured where it happens: the collector, the sweeps, and how late the loop is in all.

Each is a histogram of its own, so that a slow answer can be laid at the right door. They cost a clock reading each.
"""

import gc
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

from onlycare_socket.ticker import Ticker

PAUSES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds. Fine around what is wanted (below 3 ms) and what is borne (10 ms)."""


class Buckets:
    """A histogram of seconds without labels or locks, for one thread."""

    def __init__(self, bounds: Sequence[float] = PAUSES) -> None:
        self.bounds = tuple(bounds)
        self.sum = 0.0
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Counts one value."""
        self.sum += seconds
        self._counts[bisect_left(self.bounds, seconds)] += 1

    def timed(self, work: Callable[[], None]) -> None:
        """Does some work and counts how long it took, also when it fails."""
        began = time.perf_counter()
        try:
            work()
        finally:
            self.observe(time.perf_counter() - began)

    def cumulative(self) -> list[tuple[str, float]]:
        """Returns pairs of an upper bound and how many values were not above it, as Prometheus wants them."""
        total = 0
        rows = []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self._counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class LoopLag:
    """Measures every so often how late the loop is for a timer. uvloop's timers are exact to 1 ms."""

    def __init__(self, interval: float) -> None:
        """`interval` in seconds."""
        self.late = Buckets()
        self._ticker = Ticker(interval, self.late.observe)

    def start(self) -> None:
        """Begins to measure, on the running loop."""
        self._ticker.start()

    def stop(self) -> None:
        """Ends it."""
        self._ticker.stop()


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
