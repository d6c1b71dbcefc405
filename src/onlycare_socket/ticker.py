"""Something that is done every so often, on the running loop."""

import asyncio
from collections.abc import Callable


class Ticker:
    """Calls `tick` every `interval` seconds, with how many seconds late it is.

    The next call is planned before this one is made, so that a fault in `tick` does not end it. After a long pause it
    goes on from now: what was missed is not made up for.
    """

    def __init__(self, interval: float, tick: Callable[[float], None]) -> None:
        self._interval = interval
        self._tick = tick
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to tick on the running loop."""
        loop = asyncio.get_running_loop()
        self._plan(loop, loop.time() + self._interval)

    def stop(self) -> None:
        """Ends it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._timer = loop.call_at(due, self._due, loop, due)

    def _due(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        self._plan(loop, max(due + self._interval, now))
        self._tick(max(0.0, now - due))
