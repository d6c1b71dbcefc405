"""Phones through nginx and TLS: by each transport, and a whole call."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
import socketio

from ..in_process import talk
from ..interop.server_process import Server
from .nginx import DOMAIN, Nginx, needs_nginx, serving
from .nginx_phones import dial
from .nginx_requests import OPENING

pytestmark = needs_nginx


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server behind nginx."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx with the shipped site."""
    with Nginx(tmp_path_factory.mktemp("phones") / "nginx", server.port) as nginx:
        yield nginx


@pytest.mark.parametrize("transport", ["upgrade", "polling", "websocket"])
@pytest.mark.parametrize("outcome", ["accept", "reject", "cancel"])
def test_a_whole_call(nginx: Nginx, transport: str, outcome: str) -> None:
    """`onlycare-socket call`, as an operator proves a deployment: two python-socketio clients."""
    url = f"https://localhost:{nginx.ports['443']}"
    done = subprocess.run(
        [sys.executable, "-m", "onlycare_socket", "call", "--url", url, "--transport", transport, "--outcome", outcome],
        env={"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(nginx.certificate)},
        cwd=nginx.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    by = "polling" if transport == "polling" else "websocket"
    assert done.stdout.count(f"by {by}") == 2


async def test_a_call_between_websockets(nginx: Nginx) -> None:
    async with nginx.session() as session:
        caller, receiver = await dial(nginx, session, "USR_1"), await dial(nginx, session, "USR_2")
        await talk(caller, receiver, "USR_2", "CALL_17")
        await caller.close()
        await receiver.close()


async def test_the_page_of_the_same_host_may_connect_and_another_may_not(nginx: Nginx) -> None:
    for origin, status in ((nginx.url, 200), ("https://elsewhere.example.org", 403), (f"https://{DOMAIN}", 403)):
        assert nginx.ask(OPENING, f"Origin: {origin}", host=f"{DOMAIN}:{nginx.ports['443']}").status == status


async def test_the_transport_of_the_app_is_upgraded(nginx: Nginx) -> None:
    async with nginx.session() as session, socketio.AsyncSimpleClient(http_session=session) as client:
        await client.connect(nginx.url, auth={"token": "dev:7:a", "userId": "7"})
        assert client.transport == "websocket"


def test_polling_by_http_2(nginx: Nginx) -> None:
    where = f"{DOMAIN}:{nginx.ports['443']}:127.0.0.1"
    command = ["curl", "--silent", "--http2", "--resolve", where, "--cacert", str(nginx.certificate)]
    done = subprocess.run(
        [*command, "--write-out", "\n%{http_version} %{http_code}", nginx.url + OPENING],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, outcome = done.stdout.rpartition("\n")
    assert outcome == "2 200"
    sid = json.loads(body[1:])["sid"]
    done = subprocess.run(
        [*command, "--data", "40", "-H", "Content-Type: text/plain", f"{nginx.url}{OPENING}&sid={sid}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ok"


def test_the_connection_to_the_server_is_kept(nginx: Nginx, server: Server) -> None:
    nginx.ask(OPENING)
    kept = [one for one in psutil.net_connections("tcp") if one.raddr and one.raddr.port == server.port]
    assert [one.status for one in kept if one.status == psutil.CONN_ESTABLISHED]


def test_health_from_outside(nginx: Nginx) -> None:
    answer = nginx.ask("/socket-health")
    assert answer.status == 200
    assert answer.headers["server"] == "nginx"  # and not which one
    assert json.loads(answer.body)["status"] == "OK"
