"""Fixtures of the adapters' tests."""

import logging
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
import structlog.testing

from .laravel_asking import OTHER, TOKEN, Clock
from .laravel_stand_in import Laravel, user


@pytest.fixture
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
