"""The server is restarted under its users, and everybody comes back as the Socket.IO clients do."""

import random
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

from bench.load.crowd import Crowd
from bench.load.latencies import Latencies
from bench.load.loop import Loop
from bench.load.phone import Phone, Server
from bench.load.reports import EVERY, Progress, Unexpected, line
from bench.load.usage import Window

FIRST_DELAY: Final = 1.0
LAST_DELAY: Final = 5.0
JITTER: Final = 0.5
"""The clients' defaults: seconds of delay, doubled up to the last, and the part by which each is off to either side."""
ATTEMPT: Final = 20.0
"""Seconds after which the clients give an attempt up."""
PATIENCE: Final = 120.0
"""Seconds within which the server has to be restarted, and again within which all have to be back."""


def restart(server: Server, users: int, pid: int | None) -> dict[str, Any]:
    """Returns the seconds from the first lost connection until all are back, and each user's own as percentiles."""
    one = Restart()
    return one.run([Returning(one, server, number) for number in range(1, users + 1)], pid)


class Restart:
    """Users who are connected, lose the server, and come back."""

    def __init__(self, seed: int = 1) -> None:
        self.loop = Loop()
        self.random = random.Random(seed)
        self._users: Sequence[Returning] = ()
        self._back_after = Latencies()
        self._losers = 0
        self._away = 0
        self.attempts = 0
        self.lost_at = 0.0

    def run(
        self, users: Sequence["Returning"], pid: int | None, begin: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """Returns the figures; `begin` is what is done when all are connected, before the server is lost."""
        self._users, self._back_after = users, Latencies(len(users))
        Crowd(self.loop, users).connect()
        begin()
        for user in users:
            user.returns = True
        line(event="connected", connections=len(users))
        if not self.loop.run(lambda: self._losers > 0, perf_counter() + PATIENCE):
            raise Unexpected(f"no connection was lost in {PATIENCE:.0f} s: the server was not restarted")
        line(event="lost")
        window = Window(pid)
        self._gather()
        used = window.close()
        return {
            "users": len(users),
            "attempts": self.attempts,
            "back_s": self._back_after.seconds(),
            **used,
            "seconds": round(perf_counter() - self.lost_at, 4),
        }

    def _gather(self) -> None:
        progress = Progress("coming back", len(self._users))
        limit = perf_counter() + PATIENCE
        while not self.loop.run(self._all_back, perf_counter() + EVERY):
            progress.at(len(self._users) - self._away)
            if perf_counter() > limit:
                raise Unexpected(f"{self._away} of {len(self._users)} users were not back after {PATIENCE:.0f} s")
        progress.at(len(self._users))

    def _all_back(self) -> bool:
        return self._losers == len(self._users) and not self._away

    def left(self, first_time: bool) -> None:
        """Counts a user who lost the connection."""
        self._away += 1
        self._losers += first_time
        self.lost_at = self.lost_at or perf_counter()

    def came_back(self, after: float) -> None:
        """Counts a user who is connected again, after so many seconds."""
        self._away -= 1
        self._back_after.add(after)


class Returning(Phone):
    """A user who comes back by himself."""

    __slots__ = ("_attempt", "_delays", "_here", "_lost_at", "_restart", "returns")

    def __init__(self, restart: Restart, server: Server, number: int) -> None:
        super().__init__(restart.loop, server, number)
        self._restart = restart
        self.returns = False
        self._here = True
        self._delays = 0
        self._attempt = 0
        self._lost_at = 0.0

    def lost(self, why: str) -> None:
        """Tries again after a while."""
        if not self.returns:
            super().lost(why)
        if self._here:
            self._here = False
            self._restart.left(first_time=not self._lost_at)
            self._lost_at = self._lost_at or perf_counter()
        self._attempt += 1
        self.loop.at(perf_counter() + self._delay(), self._try)

    def greeted(self) -> None:
        """The transport is open, and the clients begin to count anew."""
        self._delays = 0

    def _delay(self) -> float:
        delay = FIRST_DELAY * float(2**self._delays)
        self._delays += 1
        return min(LAST_DELAY, delay * self._restart.random.uniform(1 - JITTER, 1 + JITTER))

    def _try(self) -> None:
        self._restart.attempts += 1
        attempt = self._attempt
        self.loop.at(perf_counter() + ATTEMPT, lambda: self._give_up(attempt))
        self.open(self._back)

    def _give_up(self, attempt: int) -> None:
        if attempt == self._attempt and not self._here:
            self.drop("no answer in time")

    def back(self) -> None:
        """Does what is to be done at each coming back; nothing here."""

    def _back(self) -> None:
        self.back()
        self._here = True
        self._restart.came_back(perf_counter() - self._lost_at)
