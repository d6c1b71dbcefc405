"""What tests share: production's event loop, and servers inside the test's own process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any, Protocol

import pytest
import structlog
import uvloop

from onlycare_socket.compiled import COMPILED
from onlycare_socket.ports import Authenticator, Backend

from .calls.situations import ANA, BEA
from .in_process import InProcess
from .phones import Exchange, Phone

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Start(Protocol):
    """Starts a server with these settings; it is stopped when the test ends."""

    def __call__(
        self, authenticator: Authenticator | None = None, *, backend: Backend | None = None, **settings: Any
    ) -> Awaitable[InProcess]: ...


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leaves out what cannot be tested on the compiled build, and says why."""
    marker = item.get_closest_marker("uncompiled")
    if COMPILED and marker is not None:
        pytest.skip(marker.args[0])


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """The loop that the server runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def log_lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged during the test."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
async def start(log_lines: list[MutableMapping[str, Any]]) -> AsyncIterator[Start]:
    """Starts servers; at the end of the test none may have logged a traceback."""
    servers: list[InProcess] = []

    async def start(
        authenticator: Authenticator | None = None, *, backend: Backend | None = None, **settings: Any
    ) -> InProcess:
        server = await InProcess.start(authenticator, backend=backend, **settings)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()
    assert not [line for line in log_lines if line.get("exc_info")], log_lines


@pytest.fixture
async def server(start: Start) -> InProcess:
    """A server with the usual settings."""
    return await start()


@pytest.fixture
def exchange() -> Exchange:
    """A server without its edges."""
    return Exchange()


@pytest.fixture
def ana(exchange: Exchange) -> Phone:
    """A phone of the one who dials."""
    return exchange.phone(ANA, name="ana")


@pytest.fixture
def bea(exchange: Exchange) -> Phone:
    """A phone of the one who is dialled."""
    return exchange.phone(BEA, name="bea")
