"""Exact percentiles: every single latency is kept, as eight bytes."""

from array import array
from math import ceil
from typing import Final

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


class Latencies:
    """What a run measured, in seconds. The memory is there before the run begins, so nothing moves while it runs."""

    __slots__ = ("_count", "_seconds")

    def __init__(self, expected: int = 200_000) -> None:
        self._seconds = array("d", bytes(8 * max(expected, 1)))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, seconds: float) -> None:
        """Keeps one more; beyond the expected number the memory doubles."""
        if self._count == len(self._seconds):
            self._seconds.frombytes(bytes(8 * self._count))
        self._seconds[self._count] = seconds
        self._count += 1

    def forget(self) -> None:
        """Drops what was measured so far, for instance while it warmed up."""
        self._count = 0

    def seconds(self) -> dict[str, float]:
        """Returns the percentiles (nearest rank) and the largest; empty when nothing was measured."""
        ranked = sorted(self._seconds[: self._count])
        if not ranked:
            return {}
        figures = {name: ranked[ceil(quantile * len(ranked)) - 1] for name, quantile in QUANTILES.items()}
        figures["max"] = ranked[-1]
        return {name: round(seconds, 6) for name, seconds in figures.items()}

    def milliseconds(self) -> dict[str, float]:
        """Returns the same in ms."""
        return {name: round(seconds * 1000, 3) for name, seconds in self.seconds().items()}
