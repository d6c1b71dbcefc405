"""How Laravel is spared: one request per token, a cap, a breaker."""

import asyncio
import weakref
from typing import Any

import msgspec
import pytest

from onlycare_socket.adapters.laravel import LaravelAuthenticator
from onlycare_socket.ports import Identity, Unavailable, Verdict

from .laravel_asking import (
    ASHA,
    IMPATIENT,
    OTHER,
    PHONE,
    STEADY,
    TOKEN,
    Clock,
    ask,
    asking,
    begin,
    turns,
    until,
    verified,
)
from .laravel_stand_in import Laravel, answer, hanging, held, status, user

pytestmark = pytest.mark.usefixtures("logged")


class TestOneRequestPerToken:
    async def test_all_that_wait_for_a_token_share_one_request(self, laravel: Laravel) -> None:
        gate = asyncio.Event()
        laravel.next.append(held(gate, answer({"success": True, "data": user(5)})))
        async with asking(laravel) as authenticator:
            told = [begin(authenticator, TOKEN, user_id) for user_id in ("5", "USR_5", "6", "5")]
            await until(lambda: laravel.now == 1)
            told.append(begin(authenticator))
            gate.set()
            verdicts = await asyncio.gather(*told)
        assert [isinstance(verdict, Identity) for verdict in verdicts] == [True, True, False, True, True]
        assert laravel.asked == 1
        assert authenticator.counters.joined == 4

    async def test_one_listener_that_fails_harms_no_other(
        self, laravel: Laravel, caplog: pytest.LogCaptureFixture
    ) -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))

        def fail(verdict: Verdict) -> None:
            raise RuntimeError

        async with asking(laravel) as authenticator:
            authenticator.verify(TOKEN, "5", PHONE, fail)
            assert await ask(authenticator) == ASHA
            await turns()
        assert len(failures) == 1

    async def test_a_listener_is_let_go_of_as_soon_as_it_was_told(self, laravel: Laravel) -> None:
        told: list[Verdict] = []

        def listen(verdict: Verdict) -> None:
            told.append(verdict)

        async with asking(laravel) as authenticator:
            authenticator.verify(TOKEN, "5", PHONE, listen)
            gone = weakref.ref(listen)
            del listen
            await until(lambda: told == [ASHA])
            await until(lambda: gone() is None)

    async def test_a_request_that_outlives_its_wait_serves_the_next_connect(self, laravel: Laravel) -> None:
        gate = asyncio.Event()
        laravel.next.append(held(gate, answer({"success": True, "data": user(5)})))
        async with asking(laravel, msgspec.structs.replace(STEADY, wait=0.1)) as authenticator:
            assert isinstance(await ask(authenticator), Unavailable)
            gate.set()
            await until(lambda: authenticator.counters.requests["ok"] == 1)
            assert begin(authenticator).done()
        assert laravel.asked == 1

    async def test_nothing_is_asked_when_nobody_waits_any_more(self, laravel: Laravel) -> None:
        laravel.always = status(500)
        async with asking(laravel, IMPATIENT) as authenticator:
            await ask(authenticator)
            await until(lambda: authenticator.health()["waiting"] == authenticator.counters.in_flight == 0)
            asked = laravel.asked
            await asyncio.sleep(0.05)  # longer than any pause
            assert laravel.asked == asked


class TestTheCap:
    async def test_so_many_requests_at_one_time_and_the_others_wait_their_turn(self, laravel: Laravel) -> None:
        gate = asyncio.Event()
        tokens = {f"{n}|SECRET": user(n) for n in range(6)}
        laravel.users = tokens
        laravel.always = held(gate, laravel.truthful)
        async with asking(laravel, msgspec.structs.replace(STEADY, concurrent=2)) as authenticator:
            told = [begin(authenticator, token, token.split("|")[0]) for token in tokens]
            await until(lambda: laravel.asked == 2)
            await turns()
            assert authenticator.health()["inFlight"] == 2
            assert authenticator.health()["waiting"] == 4
            gate.set()
            assert all(isinstance(verdict, Identity) for verdict in await asyncio.gather(*told))
        assert laravel.most_at_once == 2

    async def test_a_wait_can_end_in_the_queue(self, laravel: Laravel) -> None:
        laravel.always = hanging
        patience = msgspec.structs.replace(IMPATIENT, concurrent=1, request=20.0)
        async with asking(laravel, patience) as authenticator:
            verdicts = await asyncio.gather(ask(authenticator), ask(authenticator, OTHER, "6"))
            assert all(isinstance(verdict, Unavailable) for verdict in verdicts)
            await turns()
            assert authenticator.counters.in_flight == 1
            assert authenticator.health()["waiting"] == 0

    async def test_beyond_the_queue_the_answer_comes_at_once(self, laravel: Laravel, clock: Clock) -> None:
        patience = msgspec.structs.replace(STEADY, flights=1)
        async with asking(laravel, patience, clock) as authenticator:
            await verified(authenticator)
            clock.ahead = 301
            laravel.always = hanging
            begin(authenticator, "19|SECRET", "7")
            unknown, known = begin(authenticator, OTHER, "6"), begin(authenticator)
            assert isinstance(unknown.result(), Unavailable)
            assert known.result() == ASHA


class TestTheBreaker:
    PATIENCE = msgspec.structs.replace(STEADY, breaker_failures=3, breaker_open=1000.0)

    async def open(self, laravel: Laravel, authenticator: LaravelAuthenticator) -> None:
        laravel.always = status(500)
        for n in range(100, 103):
            begin(authenticator, f"{n}|SECRET", str(n))
        await until(lambda: authenticator.health()["breaker"] == "open" and authenticator.counters.in_flight == 0)
        # Longer than any pause: every one of them has met the open breaker by then, and sleeps behind it.
        await asyncio.sleep(STEADY.longest_pause * 2)

    async def test_open_it_spares_the_backend_and_an_old_verdict_answers_at_once(
        self, laravel: Laravel, clock: Clock
    ) -> None:
        async with asking(laravel, self.PATIENCE, clock) as authenticator:
            await verified(authenticator)
            clock.ahead = 301
            await self.open(laravel, authenticator)
            assert begin(authenticator).result() == ASHA
            begin(authenticator, OTHER, "6")
            await turns()
            assert authenticator.counters.in_flight == 0

    async def test_one_probe_closes_it_again(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, self.PATIENCE, clock) as authenticator:
            await self.open(laravel, authenticator)
            gate = asyncio.Event()
            laravel.always = held(gate, laravel.truthful)
            clock.ahead += 1001
            probe = begin(authenticator)
            await until(lambda: laravel.now == 1)
            assert authenticator.health()["breaker"] == "probing"
            begin(authenticator, OTHER, "6")
            await turns()
            assert authenticator.counters.in_flight == 1, "only the probe is let through"
            gate.set()
            assert await probe == ASHA
            assert authenticator.health()["breaker"] == "closed"
            laravel.users["19|SECRET"] = user(7)
            assert isinstance(await ask(authenticator, "19|SECRET", "7"), Identity)

    async def test_a_probe_that_fails_opens_it_again(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, self.PATIENCE, clock) as authenticator:
            await self.open(laravel, authenticator)
            clock.ahead += 1001
            begin(authenticator)
            await until(lambda: authenticator.health()["breakerOpened"] == 2)
            assert authenticator.health()["breaker"] == "open"

    async def test_one_account_that_the_backend_stumbles_over_does_not_open_it(self, laravel: Laravel) -> None:
        laravel.always = status(500)
        async with asking(laravel, self.PATIENCE) as authenticator:
            begin(authenticator)
            await until(lambda: authenticator.counters.requests["server_error"] > 3)
            assert authenticator.health()["breaker"] == "closed"

    async def test_throttling_and_refusals_do_not_open_it(self, laravel: Laravel) -> None:
        async with asking(laravel, self.PATIENCE) as authenticator:
            for n in range(5):
                begin(authenticator, f"{n}|SECRET", str(n))
            await until(lambda: authenticator.counters.requests["denied"] == 5)
            laravel.always = status(429)
            for n in range(10, 15):
                begin(authenticator, f"{n}|SECRET", str(n))
            await until(lambda: authenticator.counters.requests["throttled"] >= 10)
            assert authenticator.health()["breaker"] == "closed"
