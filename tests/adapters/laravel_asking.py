"""How the tests put their questions to an authenticator that asks a stand-in for Laravel."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from onlycare_socket.adapters.laravel import LaravelAuthenticator, Patience
from onlycare_socket.calls.ids import Millis, UserId
from onlycare_socket.ports import Identity, Verdict

from .laravel_stand_in import Laravel

TOKEN = "17|SECRETtokenOfAsha"
OTHER = "18|SECRETtokenOfBina"
PHONE = "203.0.113.7"
ASHA = Identity(user=UserId("5"), id="5", name="Name of 5", gender="FEMALE")

IMPATIENT = Patience(wait=0.12, pause=0.01, longest_pause=0.02)
"""For tests in which nothing ever comes."""
STEADY = Patience(wait=20.0, request=20.0, pause=0.01, longest_pause=0.02)
"""For tests in which something comes in the end, however slow the machine."""


class Clock:
    """Real time, which a test can move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Wall:
    """The wall clock, which a test sets: it stands still."""

    def __init__(self) -> None:
        self.now = Millis(1_800_000_000_000)

    def __call__(self) -> Millis:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now = Millis(self.now + round(seconds * 1000))


class DictFacts:
    """The `Facts` of one store, for one process after the other. Unlike a real one it leaves the times to the asker."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, Millis | None]] = {}
        self.words = 0
        """How often something was kept or dropped."""

    def former(self, kind: str) -> Mapping[str, bytes]:
        return {key: body for (of_kind, key), (body, _) in self.kept.items() if of_kind == kind}

    def keep(self, kind: str, key: str, body: bytes, until: Millis | None = None) -> None:
        self.words += 1
        self.kept[kind, key] = (body, until)

    def drop(self, kind: str, key: str) -> None:
        self.words += 1
        self.kept.pop((kind, key), None)

    def settled(self, done: Callable[[], object]) -> None:
        done()


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


async def verified(authenticator: LaravelAuthenticator) -> None:
    """Has the token verified, however impatient the authenticator and slow the machine."""
    async with asyncio.timeout(20):
        while await ask(authenticator) != ASHA:
            pass


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def turns(count: int = 20) -> None:
    """Lets the loop run on a little."""
    for _ in range(count):
        await asyncio.sleep(0)
