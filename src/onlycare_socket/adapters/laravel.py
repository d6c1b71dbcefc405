"""Tokens verified by Laravel, for phones that give up for good when they are refused by mistake.

The rules (contract section 1), in the order they are tried:
1. What is known from the last 5 min is the verdict at once; a refusal is remembered for 5 s.
2. Everything else is asked. All that wait for one token share one flight: one request at a time, repeated with growing
   pauses while the backend is in trouble, for as long as somebody waits.
3. Each CONNECT waits 8 s at the most. Then, or as soon as asking is hopeless, a verdict up to 24 h old counts; without
   one the answer is `Unavailable`, never a refusal: only 401, 403 and another user's id refuse.

A request that began before a user was forgotten says nothing about the time after: it is put again. The token lives
in its flight only, as long as that asks; what is remembered is its hash.
"""

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from msgspec import Struct

from onlycare_socket.adapters.breaker import Breaker
from onlycare_socket.adapters.flights import Flight, Flights, Waiter
from onlycare_socket.adapters.laravel_users import Answer, Denied, Found, Trouble, UsersMe
from onlycare_socket.adapters.laravel_watch import ADVICE, LaravelWatch
from onlycare_socket.adapters.verdicts import TokenHash, Verdicts, token_hash
from onlycare_socket.calls.ids import UserId
from onlycare_socket.credentials import INVALID, claimed, malformed
from onlycare_socket.limits import FailedAuthDelay
from onlycare_socket.ports import Identity, Refused, Unavailable, Verdict

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


class AuthCounters(Struct):
    """Plain counters for the metrics. `requests` is by outcome, `hits` by the age of the verdict that was used."""

    requests: dict[str, int] = msgspec.field(
        default_factory=lambda: dict.fromkeys(("ok", "denied", "outdated", *ADVICE), 0)
    )
    hits: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(("fresh", "stale", "refused"), 0))
    misses: int = 0
    joined: int = 0
    """CONNECTs that shared the flight of another with the same token."""
    delayed: int = 0
    """Unknown tokens that waited because their address had failed before."""
    unavailable: int = 0
    """CONNECTs that got no verdict."""
    in_flight: int = 0
    """Requests on their way now."""


class LaravelAuthenticator:
    """The `Authenticator` that asks Laravel's `users/me`."""

    def __init__(
        self,
        api_url: str,
        *,
        failed_auth: FailedAuthDelay | None = None,
        patience: Patience | None = None,
        observe: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`observe` is told the seconds of each request; `clock` is monotonic; `chance` spreads the pauses, 0 to 1.

        Raises ValueError when `api_url` is no address of a site.
        """
        self.counters = AuthCounters()
        self._patience = patience or Patience()
        self._failed_auth = FailedAuthDelay() if failed_auth is None else failed_auth
        self._observe = observe
        self._clock = clock
        self._chance = chance
        self._users = UsersMe(
            api_url, request_timeout=self._patience.request, connections=self._patience.concurrent + 1
        )
        self._verdicts = Verdicts(clock)
        self._breaker = Breaker(clock, failures=self._patience.breaker_failures, open_for=self._patience.breaker_open)
        self._watch = LaravelWatch(self._users.url, clock)
        self._slots = asyncio.Semaphore(self._patience.concurrent)
        self._flights = Flights(wait=self._patience.wait, most=self._patience.flights, last_word=self._last_word)
        self._check: asyncio.Task[None] | None = None

    # The port ----------------------------------------------------------------------------------------------------

    def verify(self, token: str, user_id: str, address: str, done: Callable[[Verdict], None]) -> None:
        """Calls `done` exactly once: before it returns when the verdict is at hand, else within 8 s."""
        refused = malformed(token, user_id)
        if refused is not None:
            done(refused)
            return
        key = token_hash(token)
        known = self._at_hand(key)
        if known is not None:
            done(claimed(known, user_id) if isinstance(known, Identity) else known)
            return
        flight = self._flights.get(key)
        if flight is not None:
            self.counters.joined += 1
        elif self._check is None or self._flights.full:
            done(self._last_word(key, user_id))
            return
        else:
            flight = self._begin(key, token, address)
        self._flights.join(flight, Waiter(user_id, done))

    def forget(self, user: UserId) -> None:
        """Drops the verdicts of a user; what is on its way will be asked once more."""
        self._verdicts.forget(user)
        self._flights.forget(user)

    async def start(self) -> None:
        """Opens the connections' pool and begins the start-up check, which holds nothing up."""
        await self._users.open()
        self._check = asyncio.create_task(self._check_until_answered())

    async def stop(self) -> None:
        """Answers all that wait with what there is, and closes the connections."""
        if self._check is not None:
            self._check.cancel()
            self._check = None
        await self._flights.stop()
        await self._users.close()

    def health(self) -> dict[str, object]:
        """`backend` is unknown, ok or the kind of trouble it is in."""
        return {
            "auth": "laravel",
            "backend": self._watch.state,
            "breaker": self._breaker.state,
            "breakerOpened": self._breaker.opened,
            "inFlight": self.counters.in_flight,
            "waiting": len(self._flights) - self.counters.in_flight,
            "verdicts": len(self._verdicts),
            "requests": dict(self.counters.requests),
            "hits": dict(self.counters.hits),
            "misses": self.counters.misses,
            "joined": self.counters.joined,
            "delayed": self.counters.delayed,
            "unavailable": self.counters.unavailable,
        }

    # A verdict at hand -------------------------------------------------------------------------------------------

    def _at_hand(self, key: TokenHash) -> Identity | Refused | None:
        hits = self.counters.hits
        if (identity := self._verdicts.fresh(key)) is not None:
            hits["fresh"] += 1
            return identity
        if self._verdicts.refused(key):
            hits["refused"] += 1
            return INVALID
        if self._breaker.wait() > 0 and (identity := self._verdicts.stale(key)) is not None:
            hits["stale"] += 1
            return identity
        self.counters.misses += 1
        return None

    def _last_word(self, key: TokenHash, user_id: str) -> Verdict:
        """What counts when the backend does not answer."""
        identity = self._verdicts.stale(key)
        if identity is None:
            self.counters.unavailable += 1
            return Unavailable(f"backend: {self._watch.state}")
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
            answer = await self._ask(flight, token)
            if not isinstance(answer, Trouble):
                self._answer(flight, answer)
            elif self._is_hopeless(flight, answer):
                return
            else:
                await asyncio.sleep(self._pause(flight, answer, repeated))
                repeated += 1

    def _answer(self, flight: Flight, answer: Found | Denied) -> None:
        if isinstance(answer, Denied):
            refusal = self._refusal(flight.address)
            self._flights.answer(flight, lambda user_id: refusal)
        elif answer.identity.user not in flight.forgotten:
            self._flights.answer(flight, partial(claimed, answer.identity))

    async def _ask(self, flight: Flight, token: str) -> Answer:
        async with self._slots:
            if not self._breaker.enter():
                return _NOT_ASKED
            flight.asking = True
            flight.forgotten.clear()
            self.counters.in_flight += 1
            began = self._clock()
            try:
                answer = await self._users.ask(token)
            finally:
                flight.asking = False
                self.counters.in_flight -= 1
                self._observe(self._clock() - began)
        self._learn(flight, answer)
        return answer

    def _learn(self, flight: Flight, answer: Answer) -> None:
        requests = self.counters.requests
        if isinstance(answer, Trouble):
            requests[answer.kind] += 1
            self._watch.troubled(answer)
            if answer.kind == "throttled":
                self._breaker.succeeded()  # it is there, and what it throttles may be this one user
            else:
                self._breaker.failed(flight.key)
            return
        self._breaker.succeeded()
        self._watch.answered()
        if isinstance(answer, Denied):
            requests["denied"] += 1
            self._verdicts.refuse(flight.key)
            self._failed_auth.failed(flight.address, self._clock())
        elif answer.identity.user in flight.forgotten:
            requests["outdated"] += 1
        else:
            requests["ok"] += 1
            self._verdicts.accept(flight.key, answer.identity)

    def _refusal(self, address: str) -> Refused:
        wait = self._failed_auth.wait(address, self._clock())
        return msgspec.structs.replace(INVALID, retry_after_ms=int(wait * 1000)) if wait else INVALID

    def _is_hopeless(self, flight: Flight, trouble: Trouble) -> bool:
        """Says whether waiting on cannot do better than the old verdict there is."""
        if self._verdicts.stale(flight.key) is None:
            return False
        left = flight.until - asyncio.get_running_loop().time()
        return trouble.retry_after > left or self._breaker.wait() > 0

    def _pause(self, flight: Flight, trouble: Trouble, repeated: int) -> float:
        """Seconds to the next request. A Retry-After longer than anybody waits is cut to one last try before that."""
        growing = min(self._patience.longest_pause, self._patience.pause * 2.0 ** min(repeated, 10))
        pause = growing * (0.5 + self._chance() / 2)
        if trouble.retry_after > pause:
            left = flight.until - asyncio.get_running_loop().time()
            last_try = left - self._patience.wait / 8
            pause = trouble.retry_after if trouble.retry_after < left else max(pause, last_try)
        return max(pause, self._breaker.wait())

    # The start-up check ------------------------------------------------------------------------------------------

    async def _check_until_answered(self) -> None:
        """Asks without a token until Laravel has answered anything that makes sense."""
        self._watch.checked(await self._users.ask(None))
        while self._watch.state != "ok":
            await asyncio.sleep(self._patience.check_again)
            self._watch.checked(await self._users.ask(None))
