"""Tokens verified by Laravel, for phones that give up for good when they are refused by mistake.

The rules (contract section 1), in the order they are tried:
1. In the first five minutes after the start, what a former process was told within 24 h is the verdict at once; the
   question is put later, within those minutes (`laravel_recheck`). A no to it ends what was let in: see `revoked`.
2. What is known from the last 5 min is the verdict at once; a refusal is remembered for 5 s.
3. Everything else is asked. All that wait for one token share one flight: one request at a time, repeated with growing
   pauses while the backend is in trouble, for as long as somebody waits.
4. Each CONNECT waits 8 s at the most. Then, or as soon as asking is hopeless, a verdict up to 24 h old counts; without
   one the answer is `Unavailable`, never a refusal: only 401, 403 and another user's id refuse.

A request that began before a user was forgotten says nothing about the time after: it is put again. The token lives
in its flight only, as long as that asks, and in its recheck; what is remembered is its hash.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog

from onlycare_socket.adapters.flights import Flight, Flights, Waiter
from onlycare_socket.adapters.laravel_questions import AuthCounters, Patience, Questions
from onlycare_socket.adapters.laravel_recheck import Recheck, Rechecks
from onlycare_socket.adapters.laravel_users import Answer, Denied, Found, Trouble
from onlycare_socket.adapters.verdicts import TokenHash, Verdicts, token_hash
from onlycare_socket.calls.ids import Millis, UserId
from onlycare_socket.credentials import INVALID, claimed, malformed
from onlycare_socket.limits import FailedAuthDelay
from onlycare_socket.ports import Facts, Identity, Refused, Unavailable, Verdict

__all__ = ["LaravelAuthenticator", "Patience"]


class LaravelAuthenticator:
    """The `Authenticator` that asks Laravel's `users/me`."""

    def __init__(
        self,
        api_url: str,
        *,
        facts: Facts | None = None,
        failed_auth: FailedAuthDelay | None = None,
        patience: Patience | None = None,
        observe: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], Millis] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`observe` is told the seconds of each request; `clock` is monotonic; `chance` spreads the pauses, 0 to 1.

        Without `facts` the next process knows no verdict. Raises ValueError when `api_url` is no address of a site.
        """
        self.counters = AuthCounters()
        self.revoked: Callable[[UserId, TokenHash], None] = lambda user, token: None
        """Is told whose token Laravel refused after it had been let in unasked: its sockets are to be closed."""
        self._patience = patience or Patience()
        self._failed_auth = FailedAuthDelay() if failed_auth is None else failed_auth
        self._clock = clock
        self._chance = chance
        self._questions = Questions(api_url, self._patience, self.counters, observe, clock)
        self._verdicts = Verdicts(clock, facts=facts, wall=wall)
        self._flights = Flights(wait=self._patience.wait, most=self._patience.flights, last_word=self._last_word)
        self._rechecks = Rechecks(
            self._patience,
            ask=self._recheck,
            answered=self._rechecked,
            counts=self.counters.rechecks,
            clock=clock,
            chance=chance,
        )
        self._started = False
        self._log = structlog.get_logger(__name__)

    # The port ----------------------------------------------------------------------------------------------------

    def verify(self, token: str, user_id: str, address: str, done: Callable[[Verdict], None]) -> None:
        """Calls `done` exactly once: before it returns when the verdict is at hand, else within 8 s."""
        refused = malformed(token, user_id)
        if refused is not None:
            done(refused)
            return
        key = token_hash(token)
        known = self._unasked(key, token, user_id) or self._at_hand(key, user_id)
        if known is not None:
            done(known)
            return
        flight = self._flights.get(key)
        if flight is not None:
            self.counters.joined += 1
        elif not self._started or self._flights.full:
            done(self._last_word(key, user_id))
            return
        else:
            flight = self._begin(key, token, address)
        self._flights.join(flight, Waiter(user_id, done))

    def forget(self, user: UserId) -> None:
        """Drops the verdicts of a user; what is on its way will be asked once more."""
        self._verdicts.forget(user)
        self._flights.forget(user)
        self._rechecks.forget(user)

    async def start(self) -> None:
        """Takes up the former verdicts and begins the start-up check; waits for nothing. The facts must be there."""
        self.counters.taken_up = self._verdicts.take_up()
        if self.counters.taken_up:
            self._log.info("tokens of the former process are known", tokens=self.counters.taken_up)
        await self._questions.start()
        self._rechecks.start()
        self._started = True

    async def stop(self) -> None:
        """Answers all that wait with what there is, and closes the connections."""
        self._started = False
        await self._rechecks.stop()
        await self._flights.stop()
        await self._questions.stop()

    def health(self) -> dict[str, object]:
        """`backend` is unknown, ok or the kind of trouble it is in."""
        counters = self.counters
        return {
            "auth": "laravel",
            "backend": self._questions.watch.state,
            "breaker": self._questions.breaker.state,
            "breakerOpened": self._questions.breaker.opened,
            "inFlight": counters.in_flight,
            "waiting": len(self._flights) - (counters.in_flight - self._rechecks.asking),
            "verdicts": len(self._verdicts),
            "takenUp": counters.taken_up,
            "requests": dict(counters.requests),
            "hits": dict(counters.hits),
            "rechecks": dict(counters.rechecks),
            "rechecksPending": len(self._rechecks),
            "misses": counters.misses,
            "joined": counters.joined,
            "delayed": counters.delayed,
            "unavailable": counters.unavailable,
        }

    # A verdict at hand -------------------------------------------------------------------------------------------

    def _unasked(self, key: TokenHash, token: str, user_id: str) -> Verdict | None:
        """What counts in the first minutes if a former process knew the token."""
        identity = self._verdicts.former(key) if self._rechecks.open else None
        if identity is None:
            return None
        verdict = claimed(identity, user_id)
        if isinstance(verdict, Identity):
            self.counters.hits["unasked"] += 1
            self._rechecks.plan(key, token, identity.user)
        return verdict

    def _at_hand(self, key: TokenHash, user_id: str) -> Verdict | None:
        hits = self.counters.hits
        if (identity := self._verdicts.fresh(key)) is not None:
            hits["fresh"] += 1
            return claimed(identity, user_id)
        if self._verdicts.refused(key):
            hits["refused"] += 1
            return INVALID
        if self._questions.breaker.wait() > 0 and (identity := self._verdicts.stale(key)) is not None:
            hits["stale"] += 1
            return claimed(identity, user_id)
        self.counters.misses += 1
        return None

    def _last_word(self, key: TokenHash, user_id: str) -> Verdict:
        """What counts when the backend does not answer."""
        identity = self._verdicts.stale(key)
        if identity is None:
            self.counters.unavailable += 1
            return Unavailable(f"backend: {self._questions.watch.state}")
        self.counters.hits["stale"] += 1
        return claimed(identity, user_id)

    # Asking ------------------------------------------------------------------------------------------------------

    def _begin(self, key: TokenHash, token: str, address: str) -> Flight:
        known_once = self._verdicts.stale(key) is not None
        delay = 0.0 if known_once else self._failed_auth.wait(address, self._clock())
        self.counters.delayed += delay > 0
        flight = Flight(key, address)
        self._flights.begin(flight, self._fly(flight, token, delay))
        return flight

    async def _fly(self, flight: Flight, token: str, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        repeated = 0
        while flight.waiters:
            answer = await self._questions.put(flight, token)
            if not isinstance(answer, Trouble):
                self._answer(flight, answer)
            elif self._is_hopeless(flight, answer):
                return
            else:
                await asyncio.sleep(self._pause(flight, answer, repeated))
                repeated += 1

    def _answer(self, flight: Flight, answer: Found | Denied) -> None:
        """Remembers a yes or a no, and tells it to those who still wait."""
        if isinstance(answer, Denied):
            self._verdicts.refuse(flight.key)
            self._failed_auth.failed(flight.address, self._clock())
            refusal = self._refusal(flight.address)
            self._flights.answer(flight, lambda user_id: refusal)
        elif answer.identity.user not in flight.forgotten:
            self._verdicts.accept(flight.key, answer.identity)
            self._flights.answer(flight, partial(claimed, answer.identity))

    def _refusal(self, address: str) -> Refused:
        wait = self._failed_auth.wait(address, self._clock())
        return msgspec.structs.replace(INVALID, retry_after_ms=int(wait * 1000)) if wait else INVALID

    def _is_hopeless(self, flight: Flight, trouble: Trouble) -> bool:
        """Says whether waiting on cannot do better than the old verdict there is."""
        if self._verdicts.stale(flight.key) is None:
            return False
        left = flight.until - asyncio.get_running_loop().time()
        return trouble.retry_after > left or self._questions.breaker.wait() > 0

    def _pause(self, flight: Flight, trouble: Trouble, repeated: int) -> float:
        """Seconds to the next request. A Retry-After longer than anybody waits is cut to one last try before that."""
        growing = min(self._patience.longest_pause, self._patience.pause * 2.0 ** min(repeated, 10))
        pause = growing * (0.5 + self._chance() / 2)
        if trouble.retry_after > pause:
            left = flight.until - asyncio.get_running_loop().time()
            last_try = left - self._patience.wait / 8
            pause = trouble.retry_after if trouble.retry_after < left else max(pause, last_try)
        return max(pause, self._questions.breaker.wait())

    # Asking about what was let in unasked ------------------------------------------------------------------------

    def _recheck(self, recheck: Recheck) -> Awaitable[Answer]:
        return self._questions.put(recheck, recheck.token)

    def _rechecked(self, recheck: Recheck, answer: Found | Denied) -> None:
        """Takes the word of now for that of then. A no blames no address: the token was good when it came."""
        outcomes = self.counters.rechecks
        if isinstance(answer, Found) and answer.identity.user == recheck.user:
            outcomes["ok"] += 1
            self._verdicts.accept(recheck.key, answer.identity)
            return
        outcomes["denied" if isinstance(answer, Denied) else "another_user"] += 1
        self._verdicts.refuse(recheck.key)
        self.revoked(recheck.user, recheck.key)
