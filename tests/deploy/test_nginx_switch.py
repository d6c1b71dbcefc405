"""From one server to another and back, by one line and a reload: phones move, and Laravel's door with them."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import socketio

from ..interop.server_process import Server
from .nginx import DOMAIN, Nginx, counted, needs_nginx, serving
from .nginx_requests import OPENING, WITHIN, answer, polling, request

pytestmark = needs_nginx

TRANSPORTS = {"websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """Two servers that know nothing of each other."""
    with serving() as first, serving() as second:
        yield first, second


async def connect(nginx: Nginx, session: aiohttp.ClientSession, user: str, transport: str) -> socketio.AsyncClient:
    """Returns a connected phone that comes back by itself whenever it loses its connection, as the app does."""
    phone = socketio.AsyncClient(
        http_session=session, reconnection_delay=0.1, reconnection_delay_max=0.3, handle_sigint=False
    )
    await phone.connect(nginx.url, auth={"token": f"dev:{user}:a", "userId": user}, transports=TRANSPORTS[transport])
    return phone


def users(server: Server) -> set[str]:
    """Returns who is connected to a server."""
    return set(server.get("/api/connected-users")["users"])


def laravel_sees(nginx: Nginx) -> set[str]:
    """Returns who is connected, as Laravel is told without having changed anything."""
    return set(json.loads(nginx.ask_laravels_door("/api/connected-users").body)["users"])


async def moved(nginx: Nginx, to: Server, expected: set[str]) -> None:
    """Waits until these users are connected to a server, and checks that Laravel sees them."""
    async with asyncio.timeout(WITHIN):
        while users(to) != expected:  # noqa: ASYNC110 - the server is another process
            await asyncio.sleep(0.05)
    assert laravel_sees(nginx) == expected


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_there_and_back(tmp_path: Path, servers: tuple[Server, Server], transport: str) -> None:
    old, new = servers
    with Nginx(tmp_path / "nginx", old.port) as nginx:
        async with nginx.session() as session:
            early = await connect(nginx, session, "1", transport)
            await moved(nginx, old, {"1"})

            nginx.switch(old.port, new.port)
            late = await connect(nginx, session, "2", transport)
            assert "2" in users(new)
            assert "2" in laravel_sees(nginx)
            assert users(old) == {"1"}
            old.stop()
            await moved(nginx, new, {"1", "2"})

            old.start()
            nginx.switch(new.port, old.port)
            new.stop()
            await moved(nginx, old, {"1", "2"})
            for phone in (early, late):
                assert (await phone.call("call:sync", {}))["success"]
                await phone.disconnect()


async def test_phones_move_without_a_stop_of_the_old_server(tmp_path: Path, servers: tuple[Server, Server]) -> None:
    """Ending the workers that a reload leaves behind is enough."""
    old, new = servers
    with Nginx(tmp_path / "nginx", old.port) as nginx:
        async with nginx.session() as session:
            phone = await connect(nginx, session, "1", "upgrade")
            await moved(nginx, old, {"1"})
            left_behind = nginx.workers()
            nginx.switch(old.port, new.port)
            for worker in set(left_behind) & set(nginx.workers()):
                os.kill(worker, signal.SIGTERM)
            await moved(nginx, new, {"1"})
            assert (await phone.call("call:sync", {}))["success"]
            await phone.disconnect()


def test_a_poll_under_way_is_answered_and_the_next_one_goes_to_the_new_server(
    tmp_path: Path, servers: tuple[Server, Server]
) -> None:
    old, new = servers
    connect = '40{"token":"dev:5:a","userId":"5"}'
    with Nginx(tmp_path / "nginx", old.port) as nginx:
        session = polling(nginx.ask(OPENING))
        assert nginx.ask(session, method="POST", body=connect).status == 200
        assert nginx.ask(session).body.startswith(b"40{")
        with nginx.connect() as under_way:
            under_way.sendall(request(session, host=DOMAIN))
            while counted(old, "onlycare_polls_total") < 2:
                time.sleep(0.02)
            nginx.switch(old.port, new.port)
            assert b"Session ID unknown" in nginx.ask(session).body
            old.post("/api/users/5/disconnect", {})
            assert answer(under_way).status == 200
        session = polling(nginx.ask(OPENING))
        assert nginx.ask(session, method="POST", body=connect).status == 200
        assert users(new) == {"5"}
