"""Who may ask what over HTTP (contract section 4)."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from onlycare_socket.http_api.access import is_local_question

from .conftest import Start
from .in_process import SECRET, InProcess

GUARDED = [
    ("GET", "/api/calls"),
    ("GET", "/api/calls/17"),
    ("GET", "/api/calls/17/timeline"),
    ("POST", "/api/calls/17/end"),
    ("POST", "/api/users/online"),
    ("POST", "/api/users/5/disconnect"),
    ("POST", "/api/emit/call-accepted"),
    ("POST", "/api/emit/call-cancelled"),
    ("POST", "/api/emit/call-rejected"),
    ("POST", "/api/emit/call-ended"),
    ("GET", "/metrics"),
    ("GET", "/api"),
    ("GET", "/api/nothing/here"),
    ("HEAD", "/api/users/5/online"),
    ("GET", "/api/usersandmore"),
]
OPEN = ["/api/users/5/online", "/api/connected-users"]


async def raw(server: InProcess, head: str, *, host: str = "127.0.0.1") -> tuple[int, Any]:
    """Sends a request head as it is; returns status and JSON."""
    reader, writer = await asyncio.open_connection(host, server.application.port)
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    status = int((await reader.readline()).split()[1])
    headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(headers.split("content-length: ")[1].split("\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return status, json.loads(body)


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_what_needs_the_secret(server: InProcess, method: str, path: str) -> None:
    for headers in ({}, {"X-Internal-Secret": "wrong"}, {"Authorization": "Bearer wrong"}, {"X-Internal-Secret": ""}):
        async with server.http.request(method, path, headers=headers) as response:
            assert response.status == 401
            if method != "HEAD":
                assert await response.json() == {"error": "Unauthorized"}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Internal-Secret": SECRET},
        {"x-internal-secret": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"Authorization": f"bearer {SECRET}"},
        {"Authorization": f"Bearer {SECRET}", "X-Internal-Secret": "wrong"},
    ],
)
async def test_both_ways_to_say_the_secret(server: InProcess, headers: dict[str, str]) -> None:
    async with server.http.get("/api/calls", headers=headers) as response:
        assert response.status == 200


async def test_two_secrets_while_one_is_changed(start: Start) -> None:
    server = await start(laravel_api_secret=("a-first-secret-3b9d", "a-second-secret-7c1e"))
    for secret in ("a-first-secret-3b9d", "a-second-secret-7c1e"):
        assert (await server.get("/api/calls", secret=secret))[0] == 200
    assert (await server.get("/api/calls", secret="a-first-secret-3b9d,a-second-secret-7c1e"))[0] == 401


@pytest.mark.parametrize("secrets", [(), ("short",), ("changeme-changeme",), (SECRET, "short")])
async def test_without_a_proper_secret_what_needs_one_is_closed(start: Start, secrets: tuple[str, ...]) -> None:
    server = await start(laravel_api_secret=secrets)
    for secret in (*secrets, "", SECRET):
        assert (await server.get("/api/calls", secret=secret))[0] == 401
    assert (await server.get("/api/users/5/online", secret=None))[0] == 200
    assert (await server.get("/health", secret=None))[0] == 200


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:3001", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535"])
async def test_the_deployed_backend_needs_no_secret_for_its_questions(server: InProcess, path: str, host: str) -> None:
    assert (await raw(server, f"GET {path} HTTP/1.1\nHost: {host}"))[0] == 200


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.0\nHost: localhost",
        "HTTP/1.1\nHost: api.example.com",
        "HTTP/1.1\nHost: localhost.example.com",
        "HTTP/1.1\nHost: 127.0.0.1.example.com",
        "HTTP/1.1\nHost: 127.0.0.2",
        "HTTP/1.1\nHost: localhost:3001:1",
        "HTTP/1.1\nHost: ::1",
        "HTTP/1.1\nHost: localhost\nForwarded: for=1.2.3.4",
        "HTTP/1.1\nHost: localhost\nX-Forwarded-For: 127.0.0.1",
        "HTTP/1.1\nHost: localhost\nX-Forwarded-Proto: https",
        "HTTP/1.1\nHost: localhost\nX-FORWARDED-ANYTHING: x",
        "HTTP/1.1\nHost: localhost\nX-Real-IP: 127.0.0.1",
        "HTTP/1.1\nHost: localhost\nVia: 1.1 proxy",
        "HTTP/1.1\nHost: localhost\nOrigin: http://localhost",
    ],
)
async def test_what_a_proxy_or_a_page_may_have_sent_needs_the_secret(server: InProcess, path: str, head: str) -> None:
    assert await raw(server, f"GET {path} {head}") == (401, {"error": "Unauthorized"})
    assert (await raw(server, f"GET {path} {head}\nX-Internal-Secret: {SECRET}"))[0] == 200


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("header", ["X-Internal-Secret: wrong", "Authorization: Bearer wrong", "X-Internal-Secret:"])
async def test_a_wrong_secret_is_refused_everywhere(server: InProcess, path: str, header: str) -> None:
    assert (await raw(server, f"GET {path} HTTP/1.1\nHost: localhost\n{header}"))[0] == 401


@pytest.mark.parametrize("path", OPEN)
async def test_the_exception_can_be_closed(start: Start, path: str) -> None:
    server = await start(api_open_on_loopback=False)
    assert (await server.get(path, secret=None))[0] == 401


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1", False),
        ("", False),
        (None, False),
    ],
)
def test_the_exception_is_for_this_machine_only(peer: str | None, local: bool) -> None:
    request = make_mocked_request("GET", "/api/users/5/online", headers={"Host": "localhost"})
    assert is_local_question(request.clone(remote=peer or "") if peer is not None else request) is local


async def test_what_is_open_to_all(server: InProcess) -> None:
    for path in ("/health", "/ready"):
        assert (await raw(server, f"GET {path} HTTP/1.1\nHost: example.com\nX-Forwarded-For: 1.2.3.4"))[0] == 200
