"""Peers of the benchmark, for the tests that play with them."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from .peers import Dial, Phone, running


@pytest.fixture(scope="package")
def rules() -> Iterator[str]:
    with running("rules.js", PRESENCE_SCOPE="off", RATE_LIMIT="1000") as url:
        yield url


@pytest.fixture(scope="package")
def impatient_rules() -> Iterator[str]:
    """A ring lasts one second, and none beyond its caller; ten events a minute; presence is told to everybody."""
    with running("rules.js", RING_TIMEOUT="1", CALLER_GRACE="0", RATE_LIMIT="10", PRESENCE_SCOPE="all") as url:
        yield url


@pytest.fixture
async def connect() -> AsyncIterator[Dial]:
    """Connects phones; all are gone when the test ends."""
    phones: list[Phone] = []

    async def connect(url: str, user: str, transport: str = "websocket", **auth: Any) -> Phone:
        phone = Phone(strict=True)
        phones.append(phone)
        await phone.connect(url, user, [transport], **auth)
        return phone

    yield connect
    for phone in phones:
        await phone.close()
