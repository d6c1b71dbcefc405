"""Forgetting, repeated failures, start and stop."""

import asyncio
import time

import msgspec
import pytest

from onlycare_socket.adapters.laravel import LaravelAuthenticator
from onlycare_socket.calls.ids import UserId
from onlycare_socket.limits import FailedAuthDelay
from onlycare_socket.ports import Identity, Refused, Unavailable

from .laravel_asking import ASHA, IMPATIENT, OTHER, PHONE, STEADY, Clock, ask, asking, begin, turns, until, verified
from .laravel_stand_in import Laravel, answer, hanging, held, status, user

pytestmark = pytest.mark.usefixtures("logged")


class TestForget:
    async def test_the_next_connect_is_asked_about(self, laravel: Laravel) -> None:
        async with asking(laravel) as authenticator:
            await ask(authenticator)
            await ask(authenticator, OTHER, "6")
            authenticator.forget(UserId("5"))
            assert not begin(authenticator).done()
            assert begin(authenticator, OTHER, "6").done(), "others are not forgotten"

    async def test_what_was_on_its_way_is_asked_once_more(self, laravel: Laravel) -> None:
        gate = asyncio.Event()
        laravel.next.append(held(gate, answer({"success": True, "data": user(5)})))
        laravel.next.append(status(401))
        async with asking(laravel) as authenticator:
            told = begin(authenticator)
            await until(lambda: laravel.now == 1)
            authenticator.forget(UserId("5"))
            gate.set()
            assert isinstance(await told, Refused), "the yes was older than the log-out"
            assert authenticator.counters.requests["outdated"] == 1
        assert laravel.asked == 2

    async def test_a_yes_that_was_asked_for_afterwards_counts(self, laravel: Laravel) -> None:
        gate = asyncio.Event()
        laravel.next.append(held(gate, laravel.truthful))
        async with asking(laravel) as authenticator:
            told = begin(authenticator)
            await until(lambda: laravel.now == 1)
            authenticator.forget(UserId("5"))
            gate.set()
            assert await told == ASHA
            assert begin(authenticator).done()
        assert laravel.asked == 2

    async def test_an_old_verdict_is_gone_too(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, IMPATIENT, clock) as authenticator:
            await verified(authenticator)
            clock.ahead = 301
            laravel.always = status(500)
            told = begin(authenticator)
            authenticator.forget(UserId("5"))
            assert isinstance(await told, Unavailable)


class TestRepeatedFailures:
    guesses = 0

    def slow(self) -> FailedAuthDelay:
        return FailedAuthDelay(free=1, first=0.2, most=0.2)

    async def fail(self, authenticator: LaravelAuthenticator, count: int) -> Refused:
        for _ in range(count):
            self.guesses += 1
            verdict = await ask(authenticator, f"{self.guesses}|SECRETguess", "5")
        assert isinstance(verdict, Refused)
        return verdict

    async def test_they_delay_unknown_tokens_of_that_address_only(self, laravel: Laravel) -> None:
        async with asking(laravel, failed_auth=self.slow()) as authenticator:
            assert (await self.fail(authenticator, 1)).retry_after_ms is None
            assert authenticator.counters.delayed == 0
            assert 150 <= ((await self.fail(authenticator, 1)).retry_after_ms or 0) <= 200
            assert isinstance(await ask(authenticator, OTHER, "6", "203.0.113.8"), Identity)
            assert authenticator.counters.delayed == 0
            began = time.monotonic()
            assert await ask(authenticator) == ASHA, "delayed, not refused"
            assert authenticator.counters.delayed == 1
            assert time.monotonic() - began >= 0.15

    async def test_they_never_delay_a_token_that_was_good_before(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, clock=clock, failed_auth=self.slow()) as authenticator:
            await verified(authenticator)
            clock.ahead = 301
            await self.fail(authenticator, 4)
            delayed = authenticator.counters.delayed
            assert await ask(authenticator) == ASHA
            assert authenticator.counters.delayed == delayed

    async def test_a_delayed_connect_still_waits_no_longer_than_all(self, laravel: Laravel) -> None:
        never = FailedAuthDelay(free=0, first=1000.0, most=1000.0)
        never.failed(PHONE, time.monotonic())
        async with asking(laravel, IMPATIENT, failed_auth=never) as authenticator:
            await until(lambda: authenticator.health()["backend"] == "ok")
            await turns()
            tasks = len(asyncio.all_tasks())
            assert isinstance(await ask(authenticator), Unavailable)
            await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert laravel.asked == 0


class TestStartAndStop:
    async def test_the_check_holds_nothing_up(self, laravel: Laravel) -> None:
        laravel.check = hanging
        async with asking(laravel, msgspec.structs.replace(STEADY, concurrent=1)) as authenticator:
            await until(lambda: laravel.checks == 1)
            assert await ask(authenticator) == ASHA

    async def test_stopping_tells_all_that_wait(self, laravel: Laravel) -> None:
        laravel.always = hanging
        async with asking(laravel) as authenticator:
            asked, just_begun = begin(authenticator), None
            await until(lambda: laravel.asked == 1)
            just_begun = begin(authenticator, OTHER, "6")
            await authenticator.stop()
            assert isinstance(asked.result(), Unavailable)
            assert isinstance(just_begun.result(), Unavailable)
            after = begin(authenticator, "20|SECRET", "8")
            assert isinstance(after.result(), Unavailable)

    async def test_the_latency_of_each_request_is_observed(self, laravel: Laravel) -> None:
        seconds: list[float] = []
        async with asking(laravel, observe=seconds.append) as authenticator:
            laravel.next.append(status(500))
            await ask(authenticator)
        assert len(seconds) == 2
        assert all(0 <= one < 20 for one in seconds)

    async def test_health_speaks_of_the_backend_in_plain_values(self, laravel: Laravel) -> None:
        async with asking(laravel) as authenticator:
            await ask(authenticator)
            health = authenticator.health()
        assert health["backend"] == "ok"
        assert health["breaker"] == "closed"
        assert health["verdicts"] == 1
        msgspec.json.encode(health)
