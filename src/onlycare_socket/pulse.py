"""The heartbeat of the process: what is to be done a few times a second.

What a tick does may fail: it is logged once a minute and the next tick comes all the same, for a deadline that is not
swept is a phone that rings for ever.
"""

import time
from collections.abc import Callable, Sequence

import structlog

from onlycare_socket.pauses import Buckets
from onlycare_socket.ticker import Ticker

TICK = 0.25
"""Seconds between two ticks: how late a deadline may fire."""
_QUIET = 60.0

log = structlog.get_logger(__name__)


class Pulse:
    """Calls `beats` every `TICK` seconds; `took` counts how long each of them stopped the loop."""

    def __init__(self, beats: Sequence[Callable[[], None]]) -> None:
        self._beats = tuple(beats)
        self._ticker = Ticker(TICK, lambda late: self.beat())
        self._quiet_until = 0.0
        self.took = Buckets()

    def start(self) -> None:
        """Begins to tick on the running loop."""
        self._ticker.start()

    def stop(self) -> None:
        """Ends it."""
        self._ticker.stop()

    def beat(self) -> None:
        """Does now what is to be done at every tick."""
        for beat in self._beats:
            self._run(beat)

    def _run(self, beat: Callable[[], None]) -> None:
        try:
            self.took.timed(beat)
        except Exception:
            now = time.monotonic()
            if now >= self._quiet_until:
                self._quiet_until = now + _QUIET
                log.exception("a regular task failed; it is tried again at the next tick")
