"""Laravel's door: the server behind it sees each request as if it had been asked directly, and nobody else gets in."""

import json
import socket
from collections.abc import Iterator

import pytest

from ..interop.server_process import SECRET, Server
from .nginx import Nginx, needs_nginx, serving
from .nginx_requests import WITHIN, Answer, exchange, request
from .nginx_upstream import Upstream

pytestmark = needs_nginx

KEY = f"X-Internal-Secret: {SECRET}"
JSON = "Content-Type: application/json"
MARKS = [
    "Forwarded: for=1.2.3.4",
    "X-Forwarded-For: 127.0.0.1",
    "x-forwarded-for: 1.2.3.4",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Anything: x",
    "X-Real-IP: 127.0.0.1",
    "Via: 1.1 proxy",
    "Origin: http://localhost",
]
"""What makes the server ask for its secret."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server behind nginx."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx with the shipped site."""
    with Nginx(tmp_path_factory.mktemp("laravel") / "nginx", server.port) as nginx:
        yield nginx


def directly(server: Server, sent: bytes) -> Answer:
    """Returns what the server itself answers to a request."""
    return exchange(socket.create_connection(("127.0.0.1", server.port), WITHIN), sent)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "localhost:3003", "127.0.0.1:3001"])
@pytest.mark.parametrize("path", ["/api/users/USR_5/online", "/api/connected-users", "/api/connected-users?limit=1"])
def test_the_deployed_backend_asks_without_a_secret(nginx: Nginx, path: str, host: str) -> None:
    assert nginx.ask_laravels_door(path, host=host).status == 200


@pytest.mark.parametrize("line", ["", KEY, f"Authorization: Bearer {SECRET}", "X-Internal-Secret: wrong", *MARKS])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/health", ""),
        ("GET", "/api/users/USR_5/online", ""),
        ("GET", "/api/users/USR%2F5/online", ""),
        ("GET", "//api/users/USR_5/online", ""),
        ("GET", "/api/connected-users", ""),
        ("GET", "/api/calls", ""),
        ("POST", "/api/calls/17/end", ""),
        ("POST", "/api/users/online", '{"userIds":["5"]}'),
        ("POST", "/api/emit/call-cancelled", '{"receiverId":"5"}'),
        ("DELETE", "/api/users/USR_5/online", ""),
    ],
)
def test_the_answer_is_the_servers_own(
    nginx: Nginx, server: Server, method: str, path: str, body: str, line: str
) -> None:
    """With and without the secret, and with each sign of a proxy: as open as the server's own port, and not more."""
    lines = [JSON, *([line] if line else [])]
    through = nginx.ask_laravels_door(path, *lines, method=method, host="localhost", body=body)
    direct = directly(server, request(path, *lines, method=method, host="localhost", body=body))
    assert through.status == direct.status
    assert _without_the_time(through.body) == _without_the_time(direct.body)
    if line in MARKS and path == "/api/connected-users":
        assert through.status == 401


def _without_the_time(body: bytes) -> object:
    if not body.startswith(b"{"):
        return body
    return {name: value for name, value in json.loads(body).items() if name not in ("timestamp", "uptime")}


def test_the_backends_word(nginx: Nginx) -> None:
    body = '{"receiverId":"5","callId":"CALL_17"}'
    answer = nginx.ask_laravels_door("/api/emit/call-cancelled", KEY, JSON, method="POST", body=body)
    assert (answer.status, json.loads(answer.body)["success"]) == (200, True)


def test_nothing_is_added_and_nothing_taken_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    path, given = "/api/%75sers?a=%20", {"host": "localhost:3003", "method": "POST", "body": "{}"}
    with Upstream() as upstream, Nginx(tmp_path_factory.mktemp("door") / "nginx", upstream.port) as nginx:
        nginx.ask_laravels_door(
            "/api/%75sers?a=%20", KEY, JSON, *MARKS, host="localhost:3003", method="POST", body="{}"
        )
        nginx.ask_laravels_door("/api/users", host="127.0.0.1")
    first, second = upstream.requests
    sent = request(path, KEY, JSON, *MARKS, **given).decode()
    assert first.splitlines()[0] == sent.splitlines()[0]
    assert sorted(first.splitlines()[1:]) == sorted(set(sent.splitlines()[1:]) - {"Connection: close"} | {""})
    assert second == "GET /api/users HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize("path", ["/health", "/api/connected-users"])
@pytest.mark.parametrize(
    "host", ["", "calls.example.com", "evil.example.org:3003", "localhost.example.org", "127.0.0.2", "0.0.0.0", "[::1]"]
)
def test_a_name_that_is_not_this_machines_is_refused(nginx: Nginx, path: str, host: str) -> None:
    """A page whose own name was pointed at 127.0.0.1 sends that name, even with the secret it does not have."""
    assert nginx.ask_laravels_door(path, KEY, host=host).status in (400, 421)


def test_two_names_are_refused(nginx: Nginx) -> None:
    assert nginx.ask_laravels_door("/api/connected-users", "Host: localhost", host="evil.example.org").status == 400
    named = nginx.ask_laravels_door("http://localhost/api/connected-users", host="evil.example.org")
    assert named.status == 401


def test_a_proxy_that_speaks_http_1_0_is_refused(nginx: Nginx) -> None:
    """It would leave here as 1.1, without a trace: so does nginx by default what it passes on to an address."""
    assert nginx.ask_laravels_door("/api/connected-users", version="HTTP/1.0").status == 505


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/ready", "/socket.io/?EIO=4&transport=polling", "/api/../metrics", "/api/%2e%2e/metrics"],
)
def test_the_rest_of_the_server_is_not_there(nginx: Nginx, path: str) -> None:
    assert nginx.ask_laravels_door(path, KEY).status == 404


def test_a_body_as_large_as_the_server_takes_and_one_byte_more(nginx: Nginx) -> None:
    for size, status in ((65_536, 422), (65_537, 413)):
        answer = nginx.ask_laravels_door("/api/users/online", KEY, JSON, method="POST", body="x" * size)
        assert answer.status == status


def test_a_connection_is_used_again(nginx: Nginx) -> None:
    """Laravel's own, and the one to the server."""
    with socket.create_connection(("127.0.0.1", nginx.ports["3003"]), WITHIN) as wire:
        for _ in range(2):
            wire.sendall(b"GET /api/connected-users HTTP/1.1\r\nHost: localhost\r\n\r\n")
            came = wire.recv(65_536)
            assert came.startswith(b"HTTP/1.1 200 OK")
            assert b"Connection: keep-alive" in came
