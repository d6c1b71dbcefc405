"""How fast the test users act: servers count a user's events per minute, and the backend its requests."""

import asyncio
import time
from collections import defaultdict, deque

_WINDOW = 66.0
"""Seconds after which the new server has forgotten an event for sure (`limits.EventBudget`)."""


class Pace:
    """Holds a user back who would do more than so much a minute. One for both servers: the backend counts for both."""

    def __init__(self, per_minute: int, window: float = _WINDOW) -> None:
        """`per_minute` 0 holds nobody back; `window` is how long its minute is, in seconds."""
        self._per_minute = per_minute
        self._window = window
        self._done: defaultdict[str, deque[float]] = defaultdict(deque)

    async def turn(self, user: str) -> None:
        """Waits until the user may act again, and counts the act."""
        if not self._per_minute:
            return
        done = self._done[user]
        if len(done) >= self._per_minute:
            await asyncio.sleep(max(0.0, done.popleft() + self._window - time.monotonic()))
        done.append(time.monotonic())
