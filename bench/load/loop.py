"""The event loop: epoll and a few timers, and nothing between a readable socket and the phone that reads it.

The same phones as asyncio protocols on uvloop took a fifth more CPU time a call cycle, measured in turns with this.
"""

import heapq
import itertools
import select
from collections.abc import Callable
from time import perf_counter
from typing import Final

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
COARSE: Final = 0.002
"""Seconds; what epoll can wait at the least, and what it may be late by."""


class Loop:
    """Calls back when a socket is ready or a time has come. Times are seconds of `perf_counter`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._fileno = [self._epoll.fileno()]
        self._ready: dict[int, Callable[[], None]] = {}
        self._events: dict[int, int] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def watch(self, fd: int, ready: Callable[[], None], events: int = READ) -> None:
        """Calls `ready` whenever one of these events is there, or the connection broke."""
        self._ready[fd] = ready
        self._events[fd] = events
        self._epoll.register(fd, events)

    def change(self, fd: int, ready: Callable[[], None], events: int = READ) -> None:
        """Calls something else on a watched socket, or waits for something else."""
        self._ready[fd] = ready
        if self._events[fd] != events:
            self._events[fd] = events
            self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stops watching; to be called before the socket is closed."""
        del self._ready[fd], self._events[fd]
        self._epoll.unregister(fd)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Calls at this time."""
        heapq.heappush(self._timers, (when, next(self._numbers), call))

    def run(self, done: Callable[[], bool], until: float = float("inf")) -> bool:
        """Runs until `done`, which is asked after every round, or until this time; returns whether it was `done`."""
        ready, timers = self._ready, self._timers
        now = perf_counter()
        while not done():
            if now >= until:
                return False
            for fd, _ in self._wait((min(timers[0][0], until) if timers else until) - now):
                # It may have been closed by what was called for another one in this round.
                if (call := ready.get(fd)) is not None:
                    call()
            now = perf_counter()
            while timers and timers[0][0] <= now:
                heapq.heappop(timers)[2]()
        return True

    def _wait(self, seconds: float) -> list[tuple[int, int]]:
        """Returns what is ready, after so many seconds at the latest.

        epoll waits in whole milliseconds, too coarse for a schedule of thousands a second. select() waits in
        microseconds, and an epoll is a file that can be selected.
        """
        if seconds > COARSE:
            return self._epoll.poll(min(seconds, 60.0) - COARSE)
        if seconds > 0:
            select.select(self._fileno, (), (), seconds)
        return self._epoll.poll(0)
