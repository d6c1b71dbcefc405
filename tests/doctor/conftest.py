"""A whole deployment without nginx: the server's process, and a stand-in for Laravel that both directions know."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.laravel import Laravel
from tests.doctor.running import Doctor
from tests.interop.server_process import Server


@pytest.fixture(scope="session")
def _laravel() -> Iterator[Laravel]:
    stand_in = Laravel()
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="session")
def server(_laravel: Laravel) -> Iterator[Server]:
    """A running server, as production has it."""
    server = Server(LARAVEL_API_URL=_laravel.url)
    server.start()
    _laravel.websocket_url = server.url
    yield server
    server.close()


@pytest.fixture
def laravel(_laravel: Laravel, server: Server) -> Laravel:
    """The Laravel of that server, well."""
    _laravel.reset()
    return _laravel


@pytest.fixture
def doctor(laravel: Laravel, server: Server, tmp_path: Path) -> Doctor:
    """The command, with the settings of that server in a file."""
    return Doctor(tmp_path, PORT=str(server.port), LARAVEL_API_URL=laravel.url)
