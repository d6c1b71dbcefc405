"""Listeners for the transport's tests, on both WebSocket engines."""

from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from .harness import Harness, serving

Serving = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture(params=["picows", "aiohttp"])
def engine(request: pytest.FixtureRequest) -> str:
    """Both WebSocket engines."""
    name: str = request.param
    return name


@pytest.fixture
async def server(engine: str, log_lines: list[MutableMapping[str, Any]]) -> AsyncIterator[Harness]:
    """A listener with the default options, once with each WebSocket engine; no traceback may be logged."""
    async with serving(websocket_engine=engine) as harness:
        yield harness
    assert not [line for line in log_lines if line.get("exc_info")], log_lines


@pytest.fixture
async def picows(log_lines: list[MutableMapping[str, Any]]) -> AsyncIterator[Harness]:
    """A listener with the default options, for what has nothing to do with the WebSocket engine."""
    async with serving() as harness:
        yield harness
    assert not [line for line in log_lines if line.get("exc_info")], log_lines
