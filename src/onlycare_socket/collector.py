"""When the garbage collector runs: often and briefly over what is new, hardly ever over everything.

Almost nothing here makes cycles: connections, calls and requests are freed by their reference counts, and a collection
after thousands of them finds nothing. What is expensive is to look: about 0.5 us an object, and 10,000 connections are
250,000 objects, so one full collection would stop the server for more than 0.1 s.

So the collector looks at a few thousand young objects at a time. What survives two looks is frozen: it is not looked at
again. Cycles among the frozen are bounded all the same: whenever the process has grown by `GROWTH` or `GROWTH_BYTES`
since it was smallest, there is one full collection. Both, since one large buffer is no block, and a cycle may hold one.
"""

import gc
import os
import sys
from collections.abc import Callable
from typing import Final

YOUNG: Final = (1_000, 1, 10)
"""A look at each 1,000 new objects, every third time together with those that survived the last two."""

GROWTH: Final = 1_000_000
"""Blocks of memory, some 80 MB: a connection has about 60 of them."""

GROWTH_BYTES: Final = 256 * 1024 * 1024
"""Bytes of resident memory: far more than the blocks of `GROWTH` take, so it is reached by large buffers only."""

EVERY: Final = 40
"""Ticks of the pulse between two looks at the size of the process: 10 s."""


class Collector:
    """Sets the collector up once it is started. `sweep` is to be called by the pulse."""

    def __init__(
        self, blocks: Callable[[], int] = sys.getallocatedblocks, resident: Callable[[], int] | None = None
    ) -> None:
        """`blocks` and `resident` (in bytes) tell the size of the process; a test gives its own."""
        self.full = 0
        """Full collections since the start."""
        self._blocks = blocks
        self._resident = resident or resident_bytes
        self._smallest = self._smallest_bytes = 0
        self._ticks = 0
        self._former: tuple[int, int, int] | None = None

    def start(self) -> None:
        """Begins when everything that lives for ever has been made."""
        self._former = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*YOUNG)
        gc.callbacks.append(self._looked)
        self._smallest, self._smallest_bytes = self._blocks(), self._resident()

    def stop(self) -> None:
        """Leaves the collector as it was found."""
        if self._former is not None:
            gc.callbacks.remove(self._looked)
            gc.set_threshold(*self._former)
            gc.unfreeze()
            self._former = None

    def sweep(self) -> None:
        """Looks every 10 s whether the process has grown so much that everything must be looked through."""
        self._ticks += 1
        if self._former is None or self._ticks % EVERY:
            return
        blocks, resident = self._blocks(), self._resident()
        self._smallest, self._smallest_bytes = min(self._smallest, blocks), min(self._smallest_bytes, resident)
        if blocks - self._smallest > GROWTH or resident - self._smallest_bytes > GROWTH_BYTES:
            self._look_at_everything()

    def _look_at_everything(self) -> None:
        self.full += 1
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._smallest, self._smallest_bytes = self._blocks(), self._resident()

    def _looked(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] > 0:
            gc.freeze()


def resident_bytes() -> int:
    """Returns how much of the process is in memory; 0 where the system does not say so as Linux does."""
    try:
        with open("/proc/self/statm", "rb") as sizes:
            return int(sizes.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
