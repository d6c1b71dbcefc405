"""CONNECTs that wait for a verdict: all those with one token share one flight, each for its own time.

A flight is one task that asks the backend, as often as it takes, while somebody waits. Whatever becomes of it, every
waiter is told exactly once: by an answer, when its time is up, or when the flight ends or breaks.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial

import structlog

from onlycare_socket.adapters.verdicts import TokenHash
from onlycare_socket.calls.ids import UserId
from onlycare_socket.ports import Verdict


class Question:
    """What is asked about one token, by one request at a time."""

    __slots__ = ("asking", "forgotten", "key")

    def __init__(self, key: TokenHash) -> None:
        self.key = key
        self.asking = False
        """Whether a request is on its way now."""
        self.forgotten: set[UserId] = set()
        """Users that were forgotten since the present request began."""

    def forget(self, user: UserId) -> None:
        """Marks the request on its way: it says nothing of this user any more."""
        if self.asking:
            self.forgotten.add(user)


class Flight(Question):
    """What is on its way about one token. Its coroutine runs while `waiters` is not empty."""

    __slots__ = ("address", "task", "until", "waiters")

    def __init__(self, key: TokenHash, address: str) -> None:
        super().__init__(key)
        self.address = address
        self.waiters: dict[Waiter, asyncio.TimerHandle] = {}
        self.until = 0.0
        """Loop time at which the last waiter goes without."""
        self.task: asyncio.Task[None]


class Waiter:
    """One CONNECT: who it says it is, and who wants to know."""

    __slots__ = ("done", "user_id")

    def __init__(self, user_id: str, done: Callable[[Verdict], None]) -> None:
        self.user_id = user_id
        self.done = done


class Flights:
    """The flights of one authenticator, by token."""

    def __init__(self, *, wait: float, most: int, last_word: Callable[[TokenHash, str], Verdict]) -> None:
        """`wait` is seconds per waiter; `most` flights at one time.

        `last_word(token, user id)` is what a waiter is told that goes without an answer.
        """
        self._wait = wait
        self._most = most
        self._last_word = last_word
        self._flights: dict[TokenHash, Flight] = {}
        self._log = structlog.get_logger(__name__)

    def __len__(self) -> int:
        return len(self._flights)

    def get(self, key: TokenHash) -> Flight | None:
        """Returns the flight about this token, if there is one."""
        return self._flights.get(key)

    @property
    def full(self) -> bool:
        """True when no other flight may begin."""
        return len(self._flights) >= self._most

    def begin(self, flight: Flight, fly: Coroutine[None, None, None]) -> None:
        """Starts a flight; its waiters join in the same tick."""
        self._flights[flight.key] = flight
        flight.task = asyncio.create_task(fly)
        flight.task.add_done_callback(partial(self._landed, flight))

    def join(self, flight: Flight, waiter: Waiter) -> None:
        """Lets one more wait for this flight's answer."""
        loop = asyncio.get_running_loop()
        flight.until = loop.time() + self._wait
        flight.waiters[waiter] = loop.call_at(flight.until, self._time_is_up, flight, waiter)

    def answer(self, flight: Flight, verdict: Callable[[str], Verdict]) -> None:
        """Tells each waiter the verdict for its user id, in a callback of its own: one that fails harms no other."""
        loop = asyncio.get_running_loop()
        for waiter, timer in flight.waiters.items():
            timer.cancel()
            loop.call_soon(waiter.done, verdict(waiter.user_id))
        flight.waiters.clear()

    def forget(self, user: UserId) -> None:
        """Marks the requests on their way: they say nothing of this user any more."""
        for flight in self._flights.values():
            flight.forget(user)

    async def stop(self) -> None:
        """Ends all flights; their waiters get the last word before this returns."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _time_is_up(self, flight: Flight, waiter: Waiter) -> None:
        """Ends one wait. A request on its way may finish: the phone is about to come back for its answer."""
        del flight.waiters[waiter]
        if not flight.waiters and not flight.asking:
            self._remove(flight)
            flight.task.cancel()
        waiter.done(self._last_word(flight.key, waiter.user_id))

    def _landed(self, flight: Flight, task: asyncio.Task[None]) -> None:
        self._remove(flight)
        self.answer(flight, partial(self._last_word, flight.key))
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a token could not be verified because of a fault in this server", exc_info=error)

    def _remove(self, flight: Flight) -> None:
        """Takes a flight from the table, unless a newer one has its place."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
