"""What is not reached from outside: the rest of the server, by any spelling, and by nothing that is too large."""

import socket
from collections.abc import Iterator

import pytest

from ..interop.server_process import SECRET, Server
from .nginx import DOMAIN, Nginx, needs_nginx, serving
from .nginx_requests import OPENING, answer, polling, request

pytestmark = needs_nginx

KEY = f"X-Internal-Secret: {SECRET}"
"""Would open everything, if it got there."""
GUARDED = ["/api/connected-users", "/metrics", "/ready", "/health", "/test-client"]
SPELLINGS = [
    *GUARDED,
    "/",
    "/api",
    "/api/",
    "//api/connected-users",
    "///metrics",
    "/./metrics",
    "/API/connected-users",
    "/Metrics",
    "/%61pi/connected-users",
    "/%6detrics",
    "/socket.io/../api/connected-users",
    "/socket.io/..%2fapi/connected-users",
    "/socket.io/%2e%2e/api/connected-users",
    "/socket.io/%2e%2e%2fmetrics",
    "/socket.io/..;/metrics",
    "/socket.io/.%00./metrics",
    "/socket.io/x/../../metrics",
    "/socket.io/metrics",
    "/socket.io//metrics",
    "/socket.io/;/../../metrics",
    "/socket.io%2f..%2fmetrics",
    "/socket.io/%252e%252e/metrics",
    "/socket.io/..\\metrics",
    "/SOCKET.IO/",
    "/socket-health/",
    "/socket-health/../metrics",
    "/socket-health%2f..%2fmetrics",
    "/socket-healthy",
    "/.well-known/acme-challenge/../../metrics",
    f"https://{DOMAIN}/metrics",
    "http://127.0.0.1:3003/api/connected-users",
]
WEBSOCKET_KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
NOT_FOUND = (400, 404)
"""nginx calls a path that leaves the root, or holds a NUL, a bad request."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server behind nginx."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx with the shipped site."""
    with Nginx(tmp_path_factory.mktemp("outside") / "nginx", server.port) as nginx:
        yield nginx


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("host", [DOMAIN, "localhost", "127.0.0.1:3003"])
def test_nothing_else_is_reached(nginx: Nginx, path: str, host: str) -> None:
    before = len(nginx.access_log())
    for method in ("GET", "POST", "OPTIONS"):
        found = nginx.ask(path, KEY, method=method, host=host)
        assert found.status in NOT_FOUND, found
        assert b"onlycare" not in found.body
    lines = nginx.access_log()[before:].splitlines()
    assert [line for line in lines if "upstream=- " not in line] == []


@pytest.mark.parametrize("path", GUARDED)
def test_the_server_itself_would_have_answered(server: Server, path: str) -> None:
    """So that the tests above ask for something that is there."""
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(request(path, KEY, host="localhost"))
        assert answer(wire).status == 200


@pytest.mark.parametrize(
    "head",
    [
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 7\r\n{WEBSOCKET_KEY}",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        f"Upgrade: h2c, websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{WEBSOCKET_KEY}",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nUpgrade: websocket\r\nConnection: Upgrade",
        "Content-Length: 0\r\nContent-Length: 40",
    ],
)
def test_a_tunnel_that_was_refused_leads_nowhere(nginx: Nginx, head: str) -> None:
    """A second request behind one that asks for an upgrade, or is of two lengths, is nginx's to judge, too."""
    first = f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {DOMAIN}\r\n{head}\r\n\r\n"
    second = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{KEY}\r\n\r\n"
    with nginx.connect() as wire:
        wire.sendall((first + second).encode())
        came = bytearray()
        while part := wire.recv(65_536):
            came += part
    assert came.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501"))
    assert b" 200 OK" not in came
    assert b" 101 " not in came
    assert b"onlycare_" not in came


def test_a_body_as_large_as_the_server_takes_and_one_byte_more(nginx: Nginx) -> None:
    def post(size: int) -> int:
        connect = '40{"token":"%s"}'
        body = connect % ("x" * (size - len(connect) + 2))
        return nginx.ask(polling(nginx.ask(OPENING)), method="POST", body=body).status

    assert post(65_536) == 200
    assert post(65_537) == 413


def test_a_large_body_is_refused_before_it_has_come(nginx: Nginx) -> None:
    for path in (OPENING, "/socket-health"):
        assert nginx.ask(path, "Content-Length: 10000000", method="POST").status == 413
        assert "upstream=- " in nginx.access_log().splitlines()[-1]


def test_a_large_body_in_chunks_is_refused(nginx: Nginx) -> None:
    chunks = b"10000\r\n" + b"4" * 65_536 + b"\r\n1\r\n4\r\n0\r\n\r\n"
    with nginx.connect() as wire:
        wire.sendall(request(OPENING, "Transfer-Encoding: chunked", method="POST", host=DOMAIN) + chunks)
        assert answer(wire).status == 413


def test_laravels_door_is_closed_to_other_machines(nginx: Nginx) -> None:
    """Bound to 127.0.0.1 itself: another address of the same machine, as another machine would use, finds no port."""
    for address in ("127.0.0.2", socket.gethostbyname(socket.gethostname())):
        if address == "127.0.0.1":
            continue
        with socket.socket() as wire:
            assert wire.connect_ex((address, nginx.ports["3003"])) != 0
