"""Tokens verified by a real HTTP server in Laravel's place, well and ill behaved.

Every test also checks, by the fixture `logged`, that no line of any log holds a token or private data.
"""

import asyncio
import gc
import logging
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import msgspec
import pytest
import structlog.testing

from onlycare_socket.adapters.laravel import LaravelAuthenticator, Patience
from onlycare_socket.adapters.laravel_users import MAX_BODY
from onlycare_socket.calls.ids import UserId
from onlycare_socket.limits import FailedAuthDelay
from onlycare_socket.ports import Identity, Refused, Unavailable, Verdict

from .laravel_stand_in import Behaviour, Laravel, answer, endless, hanging, held, reset, status, user

TOKEN = "17|SECRETtokenOfAsha"
OTHER = "18|SECRETtokenOfBina"
PHONE = "203.0.113.7"
ASHA = Identity(user=UserId("5"), id="5", name="Name of 5", gender="FEMALE")

IMPATIENT = Patience(wait=0.25, pause=0.01, longest_pause=0.02)
"""For tests in which nothing ever comes."""
STEADY = Patience(wait=20.0, request=20.0, pause=0.01, longest_pause=0.02)
"""For tests in which something comes in the end, however slow the machine."""


class Clock:
    """Real time, which a test can move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[MutableMapping[str, Any]]]:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        yield lines
    everything = f"{lines!r}{caplog.text}"
    assert "SECRET" not in everything
    assert "asha@example.com" not in everything
    assert "Traceback" not in caplog.text


@pytest.fixture
async def laravel() -> AsyncIterator[Laravel]:
    server = Laravel()
    server.users = {TOKEN: user(5), OTHER: user("USR_6")}
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def asking(
    laravel: Laravel, patience: Patience = STEADY, clock: Callable[[], float] = time.monotonic, **more: Any
) -> AsyncIterator[LaravelAuthenticator]:
    authenticator = LaravelAuthenticator(more.pop("url", laravel.url), patience=patience, clock=clock, **more)
    await authenticator.start()
    try:
        yield authenticator
    finally:
        await authenticator.stop()


def begin(
    authenticator: LaravelAuthenticator, token: str = TOKEN, user_id: str = "5", address: str = PHONE
) -> asyncio.Future[Verdict]:
    told: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    authenticator.verify(token, user_id, address, told.set_result)  # a second call would raise InvalidStateError
    return told


async def ask(
    authenticator: LaravelAuthenticator, token: str = TOKEN, user_id: str = "5", address: str = PHONE
) -> Verdict:
    return await asyncio.wait_for(begin(authenticator, token, user_id, address), 30)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def turns(count: int = 20) -> None:
    """Lets the loop run on a little."""
    for _ in range(count):
        await asyncio.sleep(0)


class TestTheQuestion:
    @pytest.mark.parametrize("ending", ["", "/", "/api/v1", "/api/v1/", "/sub/site/api/v1"])
    async def test_it_is_put_to_users_me_whichever_way_the_url_is_given(self, laravel: Laravel, ending: str) -> None:
        laravel.always = answer({"success": True, "data": user(5)})
        async with asking(laravel, url=laravel.url + ending) as authenticator:
            assert await ask(authenticator) == ASHA
        path, headers = laravel.seen[0]
        assert path == ("/sub/site" if "sub" in ending else "") + "/api/v1/users/me"
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        assert headers["Accept"] == "application/json"
        assert "Cookie" not in headers

    @pytest.mark.parametrize(
        "url", ["", "api.example.com", "ftp://x", "https://", "https://a:b@x", "http://x?y", "http://x:y"]
    )
    def test_a_url_that_is_none_is_named_at_start(self, url: str) -> None:
        with pytest.raises(ValueError, match="LARAVEL_API_URL"):
            LaravelAuthenticator(url)

    async def test_cookies_are_not_kept(self, laravel: Laravel) -> None:
        laravel.next.append(answer({"success": True, "data": user(5)}, Set_Cookie="laravel_session=x"))
        async with asking(laravel) as authenticator:
            await ask(authenticator)
            await ask(authenticator, OTHER, "6")
        assert "Cookie" not in laravel.seen[1][1]

    async def test_only_id_name_and_gender_are_kept(self, laravel: Laravel) -> None:
        async with asking(laravel) as authenticator:
            verdict = await ask(authenticator)
        assert msgspec.to_builtins(verdict) == {"user": "5", "id": "5", "name": "Name of 5", "gender": "FEMALE"}

    async def test_nothing_keeps_the_token_once_it_is_verified(self, laravel: Laravel) -> None:
        class Token(str):
            """A text that can be seen to vanish."""

        async with asking(laravel) as authenticator:
            token = Token(TOKEN)
            vanished = weakref.ref(token)
            assert await ask(authenticator, token) == ASHA
            del token
            await turns()
            gc.collect()
            assert vanished() is None


class TestUserIds:
    """Contract section 7, row 5: `USR_USR_5`, `USR_5` and `5` name one user."""

    @pytest.mark.parametrize("written", [5, "5", "USR_5", "USR_USR_5"])
    @pytest.mark.parametrize("claimed", ["5", "USR_5", "USR_USR_5"])
    async def test_every_form_names_one_user_and_the_backends_is_shown(
        self, laravel: Laravel, written: object, claimed: str
    ) -> None:
        laravel.users[TOKEN] = user(written)
        async with asking(laravel) as authenticator:
            verdict = await ask(authenticator, TOKEN, claimed)
            assert isinstance(verdict, Identity)
            assert (verdict.user, verdict.id) == ("5", str(written))
            assert await ask(authenticator, TOKEN, claimed) == verdict

    async def test_another_users_id_is_an_invalid_token_now_and_from_the_cache(self, laravel: Laravel) -> None:
        async with asking(laravel) as authenticator:
            for _ in range(2):
                verdict = await ask(authenticator, TOKEN, "6")
                assert isinstance(verdict, Refused)
                assert verdict.message == "Invalid token"
            assert await ask(authenticator, TOKEN, "5") == ASHA
        assert laravel.asked == 1

    @pytest.mark.parametrize(("name", "gender"), [(None, None), (7, ["F"]), ("", "")])
    async def test_a_missing_or_mistyped_name_reads_as_empty(
        self, laravel: Laravel, name: object, gender: object
    ) -> None:
        laravel.users[TOKEN] = user(5, name=name, gender=gender)
        laravel.users[OTHER] = {"id": 6}
        async with asking(laravel) as authenticator:
            for token, user_id in ((TOKEN, "5"), (OTHER, "6")):
                verdict = await ask(authenticator, token, user_id)
                assert isinstance(verdict, Identity)
                assert (verdict.name, verdict.gender) == ("", "")


class TestNoQuestionIsPut:
    @pytest.mark.parametrize(
        ("token", "user_id", "message"),
        [
            ("", "5", "Authentication required"),
            (TOKEN, "", "Authentication required"),
            ("x" * 4097, "5", "Authentication failed"),
            (TOKEN, "5" * 129, "Authentication failed"),
            ("17|SECRET\r\nX-Evil: 1", "5", "Invalid token"),
            ("17|SECRET\x00", "5", "Invalid token"),
            ("17|SECRET\u00e9", "5", "Invalid token"),
            (" 17|SECRET", "5", "Invalid token"),
        ],
    )
    async def test_about_credentials_nobody_can_have_issued(
        self, laravel: Laravel, token: str, user_id: str, message: str
    ) -> None:
        async with asking(laravel) as authenticator:
            told = begin(authenticator, token, user_id)
            assert told.done(), "before verify returns"
            verdict = told.result()
            assert isinstance(verdict, Refused)
            assert verdict.message == message
        assert laravel.asked == 0

    async def test_about_a_token_verified_within_five_minutes(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, clock=clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 295
            again = begin(authenticator)
            assert again.done(), "before verify returns"
            assert again.result() == ASHA
            clock.ahead = 301
            assert not begin(authenticator).done()
        assert authenticator.counters.hits["fresh"] == 1

    async def test_about_a_token_refused_within_five_seconds(self, laravel: Laravel, clock: Clock) -> None:
        del laravel.users[TOKEN]
        async with asking(laravel, clock=clock) as authenticator:
            assert isinstance(await ask(authenticator), Refused)
            again = begin(authenticator)
            assert again.done(), "before verify returns"
            assert isinstance(again.result(), Refused)
            assert laravel.asked == 1
            clock.ahead = 6
            laravel.users[TOKEN] = user(5)
            assert await ask(authenticator) == ASHA


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refusal_is_final_and_forgets_the_verdict_at_once(laravel: Laravel, clock: Clock, code: int) -> None:
    async with asking(laravel, clock=clock) as authenticator:
        await ask(authenticator)
        clock.ahead = 301
        laravel.always = status(code)
        verdict = await ask(authenticator)
        assert isinstance(verdict, Refused)
        assert verdict.message == "Invalid token"
        clock.ahead = 310
        await laravel.stop()
        assert not begin(authenticator).done(), "the yes from before is gone, so nothing is at hand"


TROUBLES: dict[str, Behaviour] = {
    "429": status(429),
    "500": status(500),
    "502": answer(b"<html>Bad Gateway</html>", 502),
    "503 with Retry-After": status(503, Retry_After="1"),
    "404": status(404),
    "422": status(422),
    "redirect": status(302, Location="/login?token=SECRET"),
    "redirect without a place": status(301),
    "HTML": answer(b"<!doctype html><title>OnlyCare</title>"),
    "cut JSON": answer(b'{"success":true,"data":{"id":5'),
    "empty": answer(b""),
    "no UTF-8": answer(b'{"success":true,"data":{"id":"\xff"}}'),
    "nested": answer(b"[" * 100_000),
    "nested in a field": answer(b'{"success":true,"data":{"id":5,"x":' + b"[" * 100_000),
    "null": answer(None),
    "a list": answer([]),
    "success false": answer({"success": False, "data": user(5)}),
    "success as text": answer({"success": "true", "data": user(5)}),
    "no success": answer({"data": user(5)}),
    "no data": answer({"success": True}),
    "data null": answer({"success": True, "data": None}),
    "no id": answer({"success": True, "data": {"name": "x"}}),
    "id null": answer({"success": True, "data": user(None)}),
    "id true": answer({"success": True, "data": user(True)}),
    "id empty": answer({"success": True, "data": user("")}),
    "id over-long": answer({"success": True, "data": user("5" * 129)}),
    "id a huge number": answer(b'{"success":true,"data":{"id":' + b"5" * 5000 + b"}}"),
    "huge": answer(b'{"success":true,"data":{"id":5,"name":"' + b"x" * MAX_BODY + b'"}}'),
    "endless": endless,
    "reset": reset,
}


class TestTrouble:
    """Contract section 7, row 17: trouble of the backend's locks nobody out."""

    @pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
    async def test_it_is_asked_again_until_there_is_an_answer(self, laravel: Laravel, trouble: Behaviour) -> None:
        laravel.next.extend([trouble, trouble])
        async with asking(laravel) as authenticator:
            assert await ask(authenticator) == ASHA
        # A connection that is cut may be tried once more by the HTTP client itself.
        assert laravel.asked >= 3

    @pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
    async def test_it_is_never_a_refusal(self, laravel: Laravel, trouble: Behaviour) -> None:
        laravel.always = trouble
        async with asking(laravel, IMPATIENT) as authenticator:
            assert isinstance(await ask(authenticator), Unavailable)
            assert authenticator.counters.unavailable == 1

    async def test_a_redirect_is_not_followed(self, laravel: Laravel) -> None:
        laravel.always = status(302, Location=f"{laravel.url}/elsewhere")
        async with asking(laravel, IMPATIENT) as authenticator:
            await ask(authenticator)
        assert {path for path, _ in laravel.seen} == {"/api/v1/users/me"}

    async def test_a_request_that_hangs_is_given_up_and_repeated(self, laravel: Laravel) -> None:
        laravel.next.append(hanging)
        async with asking(laravel, msgspec.structs.replace(STEADY, request=0.1)) as authenticator:
            laravel.next.append(hanging)
            assert await ask(authenticator) == ASHA
        assert authenticator.counters.requests["timeout"] >= 2

    async def test_a_body_that_stays_away_counts_as_hanging(self, laravel: Laravel) -> None:
        async def head_only(request: Any) -> Any:
            from aiohttp import web

            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await hanging(request)
            return response

        laravel.next.append(head_only)
        async with asking(laravel, msgspec.structs.replace(STEADY, request=0.1)) as authenticator:
            assert await ask(authenticator) == ASHA
        assert authenticator.counters.requests["timeout"] >= 1

    async def test_a_backend_that_is_down_and_comes_back(self, laravel: Laravel) -> None:
        await laravel.stop()
        async with asking(laravel) as authenticator:
            told = begin(authenticator)
            await until(lambda: authenticator.counters.requests["unreachable"] > 1)
            await laravel.start()
            assert await told == ASHA

    async def test_each_connect_waits_its_own_time(self, laravel: Laravel) -> None:
        laravel.always = status(500)
        async with asking(laravel, IMPATIENT) as authenticator:
            loop = asyncio.get_running_loop()
            ends: dict[str, float] = {}
            began = loop.time()
            authenticator.verify(TOKEN, "5", PHONE, lambda _: ends.update(first=loop.time() - began))
            await asyncio.sleep(0.15)
            authenticator.verify(TOKEN, "5", PHONE, lambda _: ends.update(second=loop.time() - began))
            await until(lambda: len(ends) == 2)
            assert ends["first"] >= 0.24
            assert ends["second"] >= 0.39
            assert authenticator.counters.joined == 1

    async def test_retry_after_is_respected_while_somebody_waits(self, laravel: Laravel) -> None:
        laravel.next.append(status(429, Retry_After="1"))
        async with asking(laravel) as authenticator:
            began = time.monotonic()
            assert await ask(authenticator) == ASHA
            assert time.monotonic() - began >= 0.99

    @pytest.mark.parametrize("header", ["60", formatdate(time.time() + 3600, usegmt=True)])
    async def test_retry_after_beyond_the_wait_leaves_one_last_try(self, laravel: Laravel, header: str) -> None:
        laravel.next.append(status(429, Retry_After=header))
        patience = msgspec.structs.replace(STEADY, wait=0.8)
        async with asking(laravel, patience) as authenticator:
            began = time.monotonic()
            assert await ask(authenticator) == ASHA
            assert time.monotonic() - began >= 0.6
        assert laravel.asked == 2

    @pytest.mark.parametrize("header", ["", "soon", "-5", "1e9", "9" * 400, "Mon, 99 Foo 2026 00:00:00 GMT", "\u0661"])
    async def test_a_retry_after_that_is_none_is_ignored(self, laravel: Laravel, header: str) -> None:
        laravel.next.append(status(429, Retry_After=header))
        async with asking(laravel) as authenticator:
            assert await ask(authenticator) == ASHA


class TestAnOldVerdict:
    async def test_it_is_asked_again_first(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, clock=clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 301
            laravel.users[TOKEN] = user(5, name="Married")
            verdict = await ask(authenticator)
            assert isinstance(verdict, Identity)
            assert verdict.name == "Married"

    @pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
    async def test_it_counts_when_the_backend_does_not_answer(
        self, laravel: Laravel, clock: Clock, trouble: Behaviour
    ) -> None:
        async with asking(laravel, IMPATIENT, clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 86_000
            laravel.always = trouble
            assert await ask(authenticator) == ASHA
            assert authenticator.counters.hits["stale"] == 1

    async def test_it_does_not_count_after_a_day(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, IMPATIENT, clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 86_401
            await laravel.stop()
            assert isinstance(await ask(authenticator), Unavailable)

    async def test_it_lets_nobody_else_in(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, IMPATIENT, clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 301
            await laravel.stop()
            assert isinstance(await ask(authenticator, TOKEN, "6"), Refused)

    async def test_it_counts_at_once_when_the_backend_wants_no_question_in_time(
        self, laravel: Laravel, clock: Clock
    ) -> None:
        async with asking(laravel, clock=clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 301
            laravel.always = status(429, Retry_After="60")
            assert await ask(authenticator) == ASHA
        assert laravel.asked == 2


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
            await asyncio.sleep(0.1)  # five pauses
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
            assert laravel.asked == 1
            await turns()
            assert authenticator.health()["waiting"] == 0

    async def test_beyond_the_queue_the_answer_comes_at_once(self, laravel: Laravel, clock: Clock) -> None:
        patience = msgspec.structs.replace(STEADY, flights=1)
        async with asking(laravel, patience, clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 301
            laravel.always = hanging
            begin(authenticator, "19|SECRET", "7")
            unknown, known = begin(authenticator, OTHER, "6"), begin(authenticator)
            assert isinstance(unknown.result(), Unavailable)
            assert known.result() == ASHA


class TestTheBreaker:
    PATIENCE = msgspec.structs.replace(STEADY, breaker_failures=3, breaker_open=1000.0, wait=0.3)

    async def open(self, laravel: Laravel, authenticator: LaravelAuthenticator) -> None:
        laravel.always = status(500)
        told = [begin(authenticator, f"{n}|SECRET", str(n)) for n in range(100, 103)]
        await until(lambda: authenticator.health()["breaker"] == "open")
        await asyncio.gather(*told)

    async def test_open_it_spares_the_backend_and_an_old_verdict_answers_at_once(
        self, laravel: Laravel, clock: Clock
    ) -> None:
        async with asking(laravel, self.PATIENCE, clock) as authenticator:
            await ask(authenticator)
            clock.ahead = 301
            await self.open(laravel, authenticator)
            asked = laravel.asked
            known = begin(authenticator)
            assert known.result() == ASHA
            assert isinstance(await ask(authenticator, OTHER, "6"), Unavailable)
            assert laravel.asked == asked

    async def test_one_probe_closes_it_again(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, self.PATIENCE, clock) as authenticator:
            await self.open(laravel, authenticator)
            asked = laravel.asked
            gate = asyncio.Event()
            laravel.always = held(gate, laravel.truthful)
            clock.ahead += 1001
            probe = begin(authenticator)
            await until(lambda: laravel.now == 1)
            assert authenticator.health()["breaker"] == "probing"
            assert isinstance(await ask(authenticator, OTHER, "6"), Unavailable)
            assert laravel.asked == asked + 1, "only the probe is let through"
            gate.set()
            await until(lambda: authenticator.health()["breaker"] == "closed")
            assert isinstance(await ask(authenticator, OTHER, "6"), Identity)
            assert probe.done()

    async def test_a_probe_that_fails_opens_it_again(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, self.PATIENCE, clock) as authenticator:
            await self.open(laravel, authenticator)
            asked = laravel.asked
            clock.ahead += 1001
            assert isinstance(await ask(authenticator), Unavailable)
            assert laravel.asked == asked + 1
            assert authenticator.health()["breaker"] == "open"
            assert authenticator.health()["breakerOpened"] == 2

    async def test_one_account_that_the_backend_stumbles_over_does_not_open_it(self, laravel: Laravel) -> None:
        laravel.always = status(500)
        async with asking(laravel, self.PATIENCE) as authenticator:
            await ask(authenticator)
            assert authenticator.counters.requests["server_error"] > 3
            assert authenticator.health()["breaker"] == "closed"

    async def test_throttling_and_refusals_do_not_open_it(self, laravel: Laravel) -> None:
        laravel.users = {}
        async with asking(laravel, self.PATIENCE) as authenticator:
            for n in range(5):
                await ask(authenticator, f"{n}|SECRET", str(n))
            laravel.always = status(429)
            await asyncio.gather(*(ask(authenticator, f"{n}|SECRET", str(n)) for n in range(10, 15)))
            assert authenticator.health()["breaker"] == "closed"


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

    async def test_an_old_verdict_is_gone_too(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, IMPATIENT, clock) as authenticator:
            await ask(authenticator)
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
            await ask(authenticator)
            clock.ahead = 301
            await self.fail(authenticator, 4)
            delayed = authenticator.counters.delayed
            assert await ask(authenticator) == ASHA
            assert authenticator.counters.delayed == delayed

    async def test_a_delayed_connect_still_waits_no_longer_than_all(self, laravel: Laravel) -> None:
        never = FailedAuthDelay(free=0, first=1000.0, most=1000.0)
        never.failed(PHONE, time.monotonic())
        async with asking(laravel, IMPATIENT, failed_auth=never) as authenticator:
            assert isinstance(await ask(authenticator), Unavailable)
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
