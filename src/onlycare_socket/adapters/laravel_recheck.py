"""Tokens that were let in unasked after a start, and are asked about later.

After a restart all phones come back within seconds, and Laravel would have to answer for each of them at once. So for
the first five minutes (contract section 1) a token that a former process knew is let in on that word, and the question
is put at a random moment of what is left of them. Only a share of the requests that may be made at one time is for
these questions: a CONNECT that waits for an answer is hardly held up by them.

Trouble is asked again with growing pauses until the time is over; then the old verdict is worth what an old one is. The
token is held until its question is answered or left, and no longer.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from onlycare_socket.adapters.flights import Question
from onlycare_socket.adapters.laravel_questions import Patience
from onlycare_socket.adapters.laravel_users import Answer, Denied, Found, Trouble
from onlycare_socket.adapters.verdicts import TokenHash
from onlycare_socket.calls.ids import UserId

SHARE = 4
"""One in so many of the requests at one time is for these questions."""


class Recheck(Question):
    """One token that was let in unasked, and as whose."""

    __slots__ = ("repeated", "task", "token", "user")

    def __init__(self, key: TokenHash, token: str, user: UserId) -> None:
        super().__init__(key)
        self.token = token
        self.user = user
        self.repeated = 0
        self.task: asyncio.Task[None] | None = None
        """The request about it, once it is due."""


class Rechecks:
    """The questions that are still to be put, at most one about each token."""

    def __init__(
        self,
        patience: Patience,
        *,
        ask: Callable[[Recheck], Awaitable[Answer]],
        answered: Callable[[Recheck, Found | Denied], None],
        counts: dict[str, int],
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """`ask` puts one question; `answered` is told a yes or a no. `counts` counts what was repeated and left."""
        self._patience = patience
        self._ask = ask
        self._answered = answered
        self._counts = counts
        self._clock = clock
        self._chance = chance
        self._share = max(1, patience.concurrent // SHARE)
        self._until = clock()
        self._pending: dict[TokenHash, Recheck] = {}
        self._queue: list[tuple[float, int, Recheck]] = []
        """When each is due, earliest first; the number keeps the order of those due together."""
        self._number = 0
        self._running: set[Recheck] = set()
        self._looking: asyncio.Task[None] | None = None
        self._log = structlog.get_logger(__name__)

    def __len__(self) -> int:
        """How many are still to be answered."""
        return len(self._pending)

    @property
    def asking(self) -> int:
        """How many requests are on their way."""
        return sum(recheck.asking for recheck in self._running)

    @property
    def open(self) -> bool:
        """Whether a token may still be let in unasked."""
        return self._clock() < self._until

    def start(self) -> None:
        """Begins the time in which tokens may be let in unasked."""
        self._until = self._clock() + self._patience.unasked
        self._looking = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Leaves all that is still to be asked."""
        self._until = self._clock()
        self._pending.clear()
        self._queue.clear()
        tasks = [task for task in (self._looking, *(recheck.task for recheck in self._running)) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def plan(self, key: TokenHash, token: str, user: UserId) -> None:
        """Sees to it that this token is asked about at some moment of what is left of the time; once, however often."""
        if key in self._pending:
            return
        recheck = self._pending[key] = Recheck(key, token, user)
        now = self._clock()
        self._put_off(recheck, now + self._chance() * (self._until - now))

    def forget(self, user: UserId) -> None:
        """Leaves the questions about a user's tokens; a request on its way is given up."""
        for recheck in [recheck for recheck in self._pending.values() if recheck.user == user]:
            self._leave(recheck)

    # Asking ----------------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        while self.open or self._pending:
            self._begin_due()
            await asyncio.sleep(self._patience.look)

    def _begin_due(self) -> None:
        now = self._clock()
        while self._queue and self._queue[0][0] <= now and len(self._running) < self._share:
            recheck = heapq.heappop(self._queue)[2]
            if self._pending.get(recheck.key) is recheck:
                self._running.add(recheck)
                recheck.task = asyncio.create_task(self._check(recheck))
                recheck.task.add_done_callback(partial(self._checked, recheck))

    async def _check(self, recheck: Recheck) -> None:
        answer = await self._ask(recheck)
        if isinstance(answer, Trouble):
            self._repeat(recheck, answer)
        else:
            del self._pending[recheck.key]
            self._answered(recheck, answer)

    def _checked(self, recheck: Recheck, task: asyncio.Task[None]) -> None:
        self._running.discard(recheck)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._leave(recheck)
            self._log.error("a token could not be checked again because of a fault in this server", exc_info=error)
        self._begin_due()

    def _repeat(self, recheck: Recheck, trouble: Trouble) -> None:
        """Asks again later, if that is still within the time."""
        patience = self._patience
        growing = min(patience.longest_recheck_pause, patience.recheck_pause * 2.0 ** min(recheck.repeated, 10))
        due = self._clock() + max(trouble.retry_after, growing * (0.5 + self._chance() / 2))
        recheck.task = None
        recheck.repeated += 1
        if due < self._until:
            self._counts["repeated"] += 1
            self._put_off(recheck, due)
        else:
            self._counts["left"] += 1
            self._leave(recheck)

    def _put_off(self, recheck: Recheck, due: float) -> None:
        self._number += 1
        heapq.heappush(self._queue, (due, self._number, recheck))

    def _leave(self, recheck: Recheck) -> None:
        """Forgets the question, and the token with it."""
        self._pending.pop(recheck.key, None)
        recheck.token = ""
        if recheck.task is not None:
            recheck.task.cancel()
