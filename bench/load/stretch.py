"""A stretch of time in which the load goes on."""

from collections.abc import Callable
from time import perf_counter
from typing import Final

from bench.load.loop import Loop
from bench.load.reports import EVERY, Progress, Unexpected

STALLED: Final = 10.0
"""Seconds without anything done after which the server is given up."""


def go_on(loop: Loop, seconds: float, what: str, done: Callable[[], int] | None = None) -> None:
    """Runs the loop for so long, and says how far it is. Raises Unexpected when the count of what is done stalls."""
    progress = Progress(what, seconds)
    begun = moved = perf_counter()
    count = done() if done else 0
    while (now := perf_counter()) < begun + seconds:
        loop.run(_never, min(begun + seconds, now + EVERY))
        progress.at(perf_counter() - begun)
        if done and (newer := done()) != count:
            count, moved = newer, now
        elif done and now > moved + STALLED:
            raise Unexpected(f"{what}: nothing came to its end in {STALLED:.0f} s")


def _never() -> bool:
    """There is nothing to wait for but the time."""
    return False
