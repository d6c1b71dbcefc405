"""After a restart: known tokens are let in unasked, and are asked about later (contract section 1)."""

import asyncio
import sys
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from onlycare_socket.adapters.laravel import LaravelAuthenticator, Patience
from onlycare_socket.adapters.verdicts import TokenHash, token_hash
from onlycare_socket.calls.ids import UserId
from onlycare_socket.ports import Identity, Refused, Unavailable

from .laravel_asking import (
    ASHA,
    IMPATIENT,
    OTHER,
    STEADY,
    TOKEN,
    Clock,
    DictFacts,
    Wall,
    ask,
    asking,
    begin,
    turns,
    until,
)
from .laravel_stand_in import Laravel, answer, hanging, held, status, user

pytestmark = pytest.mark.usefixtures("logged")

WATCHFUL = msgspec.structs.replace(STEADY, look=0.001)
SOON = msgspec.structs.replace(WATCHFUL, recheck_pause=0.01, longest_recheck_pause=0.01)
"""Repeats what met trouble in no time."""
SINGLE = msgspec.structs.replace(WATCHFUL, concurrent=4)
"""One request at a time is for what was let in unasked, three are left for those who wait."""


class Deployment:
    """One Laravel, one store, and one process after the other."""

    def __init__(self, laravel: Laravel, clock: Clock) -> None:
        self.laravel = laravel
        self.clock = clock
        self.facts = DictFacts()
        self.wall = Wall()
        self.revoked: list[tuple[UserId, TokenHash]] = []

    @asynccontextmanager
    async def process(self, patience: Patience = WATCHFUL, chance: float = 0.5) -> AsyncIterator[LaravelAuthenticator]:
        more = {"facts": self.facts, "wall": self.wall, "chance": lambda: chance}
        async with asking(self.laravel, patience, self.clock, **more) as authenticator:
            authenticator.revoked = lambda user, token: self.revoked.append((user, token))
            yield authenticator

    async def leave(self, away: float = 3600.0) -> None:
        """Runs a process that comes to know the tokens of all users, and is away for so many seconds."""
        async with self.process() as former:
            for token, data in self.laravel.users.items():
                assert isinstance(await ask(former, token, str(data["id"])), Identity)
        self.laravel.seen.clear()
        self.wall.pass_by(away)


@pytest.fixture
async def left(laravel: Laravel, clock: Clock) -> Deployment:
    """A deployment whose process ended an hour ago."""
    deployment = Deployment(laravel, clock)
    await deployment.leave()
    return deployment


def gone(deployment: Deployment, token: str) -> bool:
    return ("verdict", token_hash(token).hex()) not in deployment.facts.kept


class TestLetInUnasked:
    async def test_a_known_token_connects_at_once(self, left: Deployment) -> None:
        async with left.process() as authenticator:
            assert authenticator.counters.taken_up == 2
            assert begin(authenticator).result() == ASHA
            assert authenticator.counters.hits["unasked"] == 1
            assert authenticator.health()["rechecksPending"] == 1
        assert left.laravel.asked == 0

    async def test_it_lets_nobody_else_in(self, left: Deployment) -> None:
        async with left.process(chance=0.0) as authenticator:
            assert isinstance(begin(authenticator, TOKEN, "6").result(), Refused)
            assert authenticator.counters.hits["unasked"] == 0
            assert authenticator.health()["rechecksPending"] == 0

    async def test_an_unknown_token_is_asked_about_first(self, left: Deployment) -> None:
        left.laravel.users["19|SECRET"] = user(7)
        async with left.process() as authenticator:
            told = begin(authenticator, "19|SECRET", "7")
            assert not told.done()
            assert isinstance(await told, Identity)

    async def test_after_a_day_a_token_is_unknown(self, left: Deployment) -> None:
        left.wall.pass_by(86_400)
        async with left.process(IMPATIENT) as authenticator:
            assert authenticator.counters.taken_up == 0
            await left.laravel.stop()
            assert isinstance(await ask(authenticator), Unavailable)

    async def test_after_five_minutes_it_is_asked_about_first(self, left: Deployment) -> None:
        async with left.process() as authenticator:
            left.clock.ahead += 301
            told = begin(authenticator)
            assert not told.done()
            assert await told == ASHA
        assert left.laravel.asked == 1

    async def test_after_five_minutes_it_counts_if_the_backend_does_not_answer(self, left: Deployment) -> None:
        await left.laravel.stop()
        async with left.process(IMPATIENT) as authenticator:
            left.clock.ahead += 301
            assert await ask(authenticator) == ASHA

    async def test_a_start_waits_for_nothing(self, left: Deployment) -> None:
        left.laravel.check = left.laravel.always = hanging
        async with left.process() as authenticator:
            assert begin(authenticator).result() == ASHA

    async def test_no_name_is_logged(self, left: Deployment, logged: list[MutableMapping[str, Any]]) -> None:
        left.laravel.always = status(401)
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: left.revoked != [])
        assert any(line["event"] == "tokens of the former process are known" for line in logged)
        assert "Name of" not in repr(logged)
        assert "FEMALE" not in repr(logged)


class TestAskedAboutLater:
    async def test_at_its_moment_and_once(self, left: Deployment) -> None:
        async with left.process(chance=0.5) as authenticator:
            for _ in range(3):
                await ask(authenticator)
            left.clock.ahead += 140
            await asyncio.sleep(0.02)  # many looks
            assert left.laravel.asked == 0
            left.clock.ahead += 11
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)
            await ask(authenticator)
            left.clock.ahead += 160
            await asyncio.sleep(0.02)
            assert authenticator.counters.hits["unasked"] == 3
            assert authenticator.health()["rechecksPending"] == 0
        assert left.laravel.asked == 1

    async def test_the_moment_lies_in_what_is_left_of_the_time(self, left: Deployment) -> None:
        async with left.process(chance=0.5) as authenticator:
            left.clock.ahead += 290
            await ask(authenticator)
            left.clock.ahead += 6
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)

    async def test_a_phone_that_comes_back_puts_it_off_no_further(self, left: Deployment) -> None:
        async with left.process(chance=0.5) as authenticator:
            await ask(authenticator)
            left.clock.ahead += 100
            await ask(authenticator)
            left.clock.ahead += 51
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)

    async def test_even_if_the_former_process_had_just_asked(self, laravel: Laravel, clock: Clock) -> None:
        deployment = Deployment(laravel, clock)
        await deployment.leave(away=2)
        laravel.always = status(401)
        async with deployment.process(chance=0.0) as authenticator:
            assert begin(authenticator).result() == ASHA
            await until(lambda: deployment.revoked == [(ASHA.user, token_hash(TOKEN))])

    async def test_a_yes_is_news_for_the_process_after(self, left: Deployment) -> None:
        left.laravel.users[TOKEN] = user(5, name="Married")
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)
            verdict = begin(authenticator).result()
            assert isinstance(verdict, Identity)
            assert verdict.name == "Married"
            assert authenticator.counters.hits["fresh"] == 1
        left.wall.pass_by(86_399)
        async with left.process() as authenticator:
            assert begin(authenticator).result() == verdict
            assert authenticator.counters.taken_up == 1, "the other token was asked about a day and an hour ago"

    async def test_its_token_is_let_go_of(self, left: Deployment) -> None:
        token = f"{TOKEN[:5]}{TOKEN[5:]}"
        before = sys.getrefcount(token)
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator, token)
            assert sys.getrefcount(token) > before
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)
            await until(lambda: sys.getrefcount(token) == before)

    async def test_stopping_leaves_it(self, left: Deployment) -> None:
        left.laravel.always = hanging
        tasks = len(asyncio.all_tasks())
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: left.laravel.now == 1)
            await ask(authenticator, OTHER, "6")
        await until(lambda: left.laravel.now == 0)
        assert len(asyncio.all_tasks()) <= tasks
        assert authenticator.health()["rechecksPending"] == 0
        assert isinstance(begin(authenticator).result(), Identity), "an old verdict is the last word"
        assert authenticator.health()["rechecksPending"] == 0

    async def test_health_speaks_of_it_in_plain_values(self, left: Deployment) -> None:
        left.laravel.always = hanging
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: left.laravel.now == 1)
            health = authenticator.health()
        assert (health["takenUp"], health["rechecksPending"], health["inFlight"], health["waiting"]) == (2, 1, 1, 0)
        msgspec.json.encode(health)


class TestANo:
    async def test_removes_the_verdict_and_tells_whose_it_was(self, left: Deployment) -> None:
        del left.laravel.users[TOKEN]
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator)
            await ask(authenticator, OTHER, "6")
            await until(lambda: authenticator.counters.rechecks["ok"] == authenticator.counters.rechecks["denied"] == 1)
            assert left.revoked == [(ASHA.user, token_hash(TOKEN))]
            assert gone(left, TOKEN)
            assert not gone(left, OTHER)
            asked = left.laravel.asked
            assert isinstance(begin(authenticator).result(), Refused), "remembered for 5 s"
            left.clock.ahead += 5
            assert isinstance(await ask(authenticator), Refused)
            assert left.laravel.asked == asked + 1

    async def test_is_what_another_users_id_is(self, left: Deployment) -> None:
        left.laravel.users[TOKEN] = user(9)
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: authenticator.counters.rechecks["another_user"] == 1)
            assert left.revoked == [(ASHA.user, token_hash(TOKEN))]
            assert gone(left, TOKEN)
            assert isinstance(begin(authenticator).result(), Refused)

    async def test_holds_up_no_unknown_token_of_the_same_address(self, left: Deployment) -> None:
        left.laravel.users = {f"{n}|SECRET": user(n) for n in range(12)}
        await left.leave()
        left.laravel.always = status(401)
        async with left.process(chance=0.0) as authenticator:
            for n in range(12):
                await ask(authenticator, f"{n}|SECRET", str(n))
            await until(lambda: authenticator.counters.rechecks["denied"] == 12)
            await ask(authenticator, "99|SECRET", "99")
            assert authenticator.counters.delayed == 0

    async def test_that_cannot_be_told_stops_nothing(
        self, left: Deployment, logged: list[MutableMapping[str, Any]]
    ) -> None:
        def fail(user: UserId, token: TokenHash) -> None:
            raise RuntimeError

        left.laravel.users.pop(TOKEN)
        async with left.process(SINGLE, chance=0.0) as authenticator:
            authenticator.revoked = fail
            await ask(authenticator)
            await ask(authenticator, OTHER, "6")
            await until(lambda: authenticator.health()["rechecksPending"] == 0)
        assert [line["log_level"] for line in logged if "fault in this server" in line["event"]] == ["error"]


class TestTrouble:
    async def test_is_asked_again(self, left: Deployment) -> None:
        left.laravel.next.extend([status(500), status(429), status(404)])
        async with left.process(SOON, chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)
            assert authenticator.counters.rechecks["repeated"] == 3
        assert left.revoked == []

    async def test_is_not_asked_again_before_its_pause_is_over(self, left: Deployment) -> None:
        left.laravel.next.append(status(429, Retry_After="60"))
        async with left.process(SOON, chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: authenticator.counters.rechecks["repeated"] == 1)
            left.clock.ahead += 50
            await asyncio.sleep(0.02)
            assert left.laravel.asked == 1
            left.clock.ahead += 11
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)

    async def test_that_outlasts_the_time_leaves_the_old_verdict_what_it_is(self, left: Deployment) -> None:
        left.laravel.always = status(500)
        async with left.process(msgspec.structs.replace(IMPATIENT, look=0.001)) as authenticator:
            await ask(authenticator)
            left.clock.ahead += 151
            await until(lambda: authenticator.counters.rechecks["repeated"] == 1)
            left.clock.ahead += 150
            await until(lambda: authenticator.counters.rechecks["left"] == 1)
            assert authenticator.health()["rechecksPending"] == 0
            assert not begin(authenticator).done()
            assert await ask(authenticator) == ASHA
            assert authenticator.counters.hits["stale"] == 2
        assert left.revoked == []
        assert not gone(left, TOKEN)

    async def test_of_many_spares_the_backend(self, left: Deployment) -> None:
        left.laravel.users = {f"{n}|SECRET": user(n) for n in range(40)}
        await left.leave()
        left.laravel.always = status(500)
        patience = msgspec.structs.replace(SOON, breaker_failures=3, breaker_open=1000.0, concurrent=4)
        async with left.process(patience, chance=0.0) as authenticator:
            for n in range(40):
                assert begin(authenticator, f"{n}|SECRET", str(n)).done()
            await until(lambda: authenticator.counters.rechecks["repeated"] > 100)
            assert left.laravel.asked == 3, "the breaker is open"
            left.laravel.always = left.laravel.truthful
            left.clock.ahead += 1001
            await until(lambda: authenticator.health()["rechecksPending"] == 0)


class TestForget:
    async def test_what_was_to_be_asked_is_not(self, left: Deployment) -> None:
        async with left.process() as authenticator:
            await ask(authenticator)
            await ask(authenticator, OTHER, "6")
            authenticator.forget(ASHA.user)
            assert gone(left, TOKEN)
            left.clock.ahead += 151
            await until(lambda: authenticator.counters.rechecks["ok"] == 1)
            await asyncio.sleep(0.02)
            assert left.laravel.asked == 1
            assert not begin(authenticator).done(), "asked about like any token"

    async def test_what_was_on_its_way_counts_no_more(self, left: Deployment) -> None:
        gate = asyncio.Event()
        left.laravel.next.append(held(gate, answer({"success": True, "data": user(5)})))
        async with left.process(chance=0.0) as authenticator:
            await ask(authenticator)
            await until(lambda: left.laravel.now == 1)
            authenticator.forget(ASHA.user)
            await until(lambda: left.laravel.now == 0)
            gate.set()
            await until(lambda: authenticator.counters.in_flight == 0)
            await turns()
            assert gone(left, TOKEN)
            assert authenticator.health()["verdicts"] == 1, "of the other one"
            assert authenticator.health()["rechecksPending"] == 0

    async def test_the_token_is_let_go_of(self, left: Deployment) -> None:
        token = f"{TOKEN[:5]}{TOKEN[5:]}"
        before = sys.getrefcount(token)
        async with left.process() as authenticator:
            await ask(authenticator, token)
            authenticator.forget(ASHA.user)
            assert sys.getrefcount(token) == before


class TestThoseWhoWait:
    async def test_have_their_share_of_the_requests(self, left: Deployment) -> None:
        left.laravel.users = {f"{n}|SECRET": user(n) for n in range(6)}
        await left.leave()
        gate = asyncio.Event()
        left.laravel.always = held(gate, left.laravel.truthful)
        async with left.process(SINGLE, chance=0.0) as authenticator:
            for n in range(6):
                await ask(authenticator, f"{n}|SECRET", str(n))
            await until(lambda: left.laravel.now == 1)
            await asyncio.sleep(0.02)
            assert left.laravel.now == 1
            for n in range(10, 13):
                begin(authenticator, f"{n}|SECRET", str(n))
            await until(lambda: left.laravel.now == 4)
            assert authenticator.health()["waiting"] == 0
            gate.set()
            await until(lambda: authenticator.counters.rechecks["ok"] == 6)
        assert left.laravel.most_at_once == 4
