"""Questions to Laravel about tokens: so many at one time, none for a moment after several failed, all of them counted.

What an answer means for a token is not decided here.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from onlycare_socket.adapters.breaker import Breaker
from onlycare_socket.adapters.flights import Question
from onlycare_socket.adapters.laravel_users import Answer, Denied, Trouble, UsersMe
from onlycare_socket.adapters.laravel_watch import ADVICE, LaravelWatch

_NOT_ASKED: Final = Trouble("unreachable", "the last requests failed, so nothing is asked for a moment")


class Patience(Struct, frozen=True, kw_only=True):
    """How long and how often. Times are seconds."""

    wait: float = 8.0
    """One CONNECT waits so long at the most (contract section 1)."""
    request: float = 10.0
    """One request takes so long at the most: longer than a CONNECT waits, so that a backend that is merely slow gets to
    answer, and the phone that comes back finds the answer."""
    concurrent: int = 64
    """Requests at one time; the others wait their turn inside their 8 s."""
    flights: int = 10_000
    """Tokens asked about at one time; beyond, a CONNECT gets the old verdict or `Unavailable` at once."""
    pause: float = 0.25
    """Before the first repetition; doubles with each, up to `longest_pause`."""
    longest_pause: float = 2.0
    breaker_failures: int = 5
    breaker_open: float = 2.0
    check_again: float = 60.0
    """Between start-up checks while they fail."""
    unasked: float = 300.0
    """So long after the start a token that a former process knew is let in before it is asked about (contract
    section 1)."""
    recheck_pause: float = 2.0
    """Before the first repetition of such a question; doubles with each, up to `longest_recheck_pause`."""
    longest_recheck_pause: float = 30.0
    look: float = 0.25
    """Between two looks at which of those questions are due."""


class AuthCounters(Struct):
    """Plain counters for the metrics. `requests` is by outcome, `hits` by the age of the verdict that was used."""

    requests: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("ok", "denied", "outdated", *ADVICE), 0)
    )
    hits: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("fresh", "unasked", "stale", "refused"), 0)
    )
    """`unasked`: let in after a start on the word of a former process, to be asked about later."""
    rechecks: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("ok", "denied", "another_user", "repeated", "left"), 0)
    )
    """What became of the questions about those. `left`: no answer was to be had in time."""
    taken_up: int = 0
    """Verdicts of a former process that were there at the start."""
    misses: int = 0
    joined: int = 0
    """CONNECTs that shared the flight of another with the same token."""
    delayed: int = 0
    """Unknown tokens that waited because their address had failed before."""
    unavailable: int = 0
    """CONNECTs that got no verdict."""
    in_flight: int = 0
    """Requests on their way now."""


class Questions:
    """Asks one Laravel, between `start` and `stop`."""

    def __init__(
        self,
        api_url: str,
        patience: Patience,
        counters: AuthCounters,
        observe: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        """`observe` is told the seconds of each request. Raises ValueError when `api_url` is no address of a site."""
        self._users = UsersMe(api_url, request_timeout=patience.request, connections=patience.concurrent + 1)
        self.breaker = Breaker(clock, failures=patience.breaker_failures, open_for=patience.breaker_open)
        self.watch = LaravelWatch(self._users.url, clock)
        self._slots = asyncio.Semaphore(patience.concurrent)
        self._check_again = patience.check_again
        self._counters = counters
        self._observe = observe
        self._clock = clock
        self._check: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Opens the connections' pool and begins the start-up check, which holds nothing up."""
        await self._users.open()
        self._check = asyncio.create_task(self._check_until_answered())

    async def stop(self) -> None:
        """Ends the check and closes the connections."""
        if self._check is not None:
            self._check.cancel()
        await self._users.close()

    async def put(self, question: Question, token: str) -> Answer:
        """Asks once, when it is its turn; trouble at once while the breaker is open."""
        async with self._slots:
            if not self.breaker.enter():
                return _NOT_ASKED
            question.asking = True
            question.forgotten.clear()
            self._counters.in_flight += 1
            began = self._clock()
            try:
                answer = await self._users.ask(token)
            finally:
                question.asking = False
                self._counters.in_flight -= 1
                self._observe(self._clock() - began)
        self._count(question, answer)
        return answer

    def _count(self, question: Question, answer: Answer) -> None:
        requests = self._counters.requests
        if isinstance(answer, Trouble):
            requests[answer.kind] += 1
            self.watch.troubled(answer)
            if answer.kind == "throttled":
                self.breaker.succeeded()  # it is there, and what it throttles may be this one user
            else:
                self.breaker.failed(question.key)
            return
        self.breaker.succeeded()
        self.watch.answered()
        if isinstance(answer, Denied):
            requests["denied"] += 1
        else:
            requests["outdated" if answer.identity.user in question.forgotten else "ok"] += 1

    async def _check_until_answered(self) -> None:
        """Asks without a token until Laravel has answered anything that makes sense."""
        self.watch.checked(await self._users.ask(None))
        while self.watch.state != "ok":
            await asyncio.sleep(self._check_again)
            self.watch.checked(await self._users.ask(None))
