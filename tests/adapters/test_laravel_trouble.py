"""Contract section 7, row 17: a backend that is slow, down, or answers rubbish locks nobody out."""

import asyncio
import time
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from onlycare_socket.adapters.laravel_users import MAX_BODY
from onlycare_socket.ports import Identity, Refused, Unavailable

from .laravel_asking import ASHA, IMPATIENT, PHONE, STEADY, TOKEN, Clock, ask, asking, begin, until, verified
from .laravel_stand_in import Behaviour, Laravel, answer, endless, hanging, raw, reset, status, user

pytestmark = pytest.mark.usefixtures("logged")


TROUBLES: dict[str, Behaviour] = {
    "429": status(429),
    "500": status(500),
    "502": answer(b"<html>Bad Gateway</html>", 502),
    "503 with Retry-After": status(503, Retry_After="0"),
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
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "a head and half a body": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "a body in bad chunks": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "another protocol": raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
    "a word in between and nothing": raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
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
            await asyncio.sleep(0.06)
            authenticator.verify(TOKEN, "5", PHONE, lambda _: ends.update(second=loop.time() - began))
            await until(lambda: len(ends) == 2)
            assert ends["first"] >= 0.11
            assert ends["second"] >= 0.17
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
        async with asking(laravel, msgspec.structs.replace(STEADY, wait=0.8)) as authenticator:
            began = time.monotonic()
            begin(authenticator)
            await until(lambda: authenticator.counters.requests["ok"] == 1)
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
            await verified(authenticator)
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
            await verified(authenticator)
            clock.ahead = 86_000
            laravel.always = trouble
            assert await ask(authenticator) == ASHA
            assert authenticator.counters.hits["stale"] == 1

    async def test_it_does_not_count_after_a_day(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, IMPATIENT, clock) as authenticator:
            await verified(authenticator)
            clock.ahead = 86_401
            await laravel.stop()
            assert isinstance(await ask(authenticator), Unavailable)

    async def test_it_lets_nobody_else_in(self, laravel: Laravel, clock: Clock) -> None:
        async with asking(laravel, IMPATIENT, clock) as authenticator:
            await verified(authenticator)
            clock.ahead = 301
            await laravel.stop()
            assert isinstance(await ask(authenticator, TOKEN, "6"), Refused)

    async def test_it_counts_at_once_when_the_backend_wants_no_question_in_time(
        self, laravel: Laravel, clock: Clock
    ) -> None:
        async with asking(laravel, clock=clock) as authenticator:
            await verified(authenticator)
            clock.ahead = 301
            laravel.always = status(429, Retry_After="60")
            assert await ask(authenticator) == ASHA
        assert laravel.asked == 2
