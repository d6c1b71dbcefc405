"""Whose address the server sees: the client's own, whatever the client says of it.

The server makes an unknown token wait when its address had ten failures before, and counts those that waited. Clients
here come from addresses of loopback, of which the server is told to trust nginx's only.
"""

import itertools
from collections.abc import Iterator

import pytest

from ..interop.laravel_stand_in import LaravelStandIn
from ..interop.server_process import Server
from .nginx import Nginx, counted, needs_nginx
from .nginx_requests import OPENING, polling

pytestmark = needs_nginx

FREE = 10
"""Failures of an address that cost nothing."""
_tokens = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that trusts nginx and a backend that knows no token."""
    laravel = LaravelStandIn()
    laravel.behaviour = "401"
    server = Server(LARAVEL_API_URL=laravel.url, TRUSTED_PROXIES="127.0.0.1", DRAIN_SPREAD="0")
    server.start()
    yield server
    server.close()
    laravel.close()


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx with the shipped site."""
    with Nginx(tmp_path_factory.mktemp("addresses") / "nginx", server.port) as nginx:
        yield nginx


def fail_to_connect(nginx: Nginx, source: str, *headers: str) -> None:
    """Has a client come with a token that nobody knows, and waits until it is refused."""
    session = polling(nginx.ask(OPENING, *headers, source=source))
    connect = f'40{{"token":"{next(_tokens)}|unknown","userId":"5"}}'
    assert nginx.ask(session, *headers, source=source, method="POST", body=connect).status == 200
    assert b"Invalid token" in nginx.ask(session, *headers, source=source).body


def waited(server: Server) -> float:
    """Returns how many clients had to wait because of their address."""
    return counted(server, "onlycare_auth_delayed_total")


@pytest.mark.parametrize(
    ("source", "forged"),
    [
        ("127.0.0.10", []),
        ("127.0.0.11", ["X-Forwarded-For: 198.51.100.{}"]),
        ("127.0.0.12", ["x-forwarded-for: 198.51.100.{}, 127.0.0.1"]),
        ("127.0.0.13", ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 198.51.100.{}"]),
        ("127.0.0.14", ["X-Forwarded-For: ", "X-Real-IP: 198.51.100.{}", "Forwarded: for=198.51.100.{}"]),
        ("127.0.0.15", ["Connection: close, X-Forwarded-For", "X-Forwarded-For: 127.0.0.1"]),
    ],
)
def test_no_address_but_ones_own(nginx: Nginx, server: Server, source: str, forged: list[str]) -> None:
    before = waited(server)
    for number in range(FREE + 3):
        fail_to_connect(nginx, source, *(line.format(number) for line in forged))
        if number < FREE:
            assert waited(server) == before
    assert waited(server) > before


def test_nobody_is_blamed_for_another(nginx: Nginx, server: Server) -> None:
    for _ in range(FREE + 2):
        fail_to_connect(nginx, "127.0.0.20", "X-Forwarded-For: 127.0.0.21")
    before = waited(server)
    fail_to_connect(nginx, "127.0.0.21")
    assert waited(server) == before
