"""The whole server: as one object, and as the process that operators start and stop."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
import socketio

from onlycare_socket.adapters.jwt import JwtAuthenticator
from onlycare_socket.adapters.laravel import LaravelAuthenticator
from onlycare_socket.adapters.static import StaticAuthenticator
from onlycare_socket.app import STOP_SLACK, build
from onlycare_socket.config import Settings
from onlycare_socket.process import OVERDUE
from onlycare_socket.transport import fallback, picowssocket
from onlycare_socket.transport.listener import SHUTDOWN_TIMEOUT

from .conftest import Start
from .in_process import InProcess, initiate, new_call_id

Serve = Callable[..., Awaitable["Process"]]


async def test_two_python_clients_hold_a_call(server: InProcess) -> None:
    caller, receiver = socketio.AsyncClient(reconnection=False), socketio.AsyncClient(reconnection=False)
    heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    for client in (caller, receiver):
        client.on("*", lambda event, payload: heard.put_nowait((event, payload.get("callId"))))
    call = new_call_id()
    try:
        await caller.connect(server.url, auth={"token": "dev:1", "userId": "1"})
        await receiver.connect(server.url, auth={"token": "dev:2", "userId": "2"}, transports=["polling"])
        assert (await caller.call("call:initiate", initiate("2", call)))["state"] == "ringing"
        assert (await receiver.call("call:accept", {"callId": call}))["state"] == "accepted"
        assert (await caller.call("call:end", {"callId": call}))["state"] == "ended"
        async with asyncio.timeout(10):
            events = [await heard.get() for _ in range(4)]
        assert sorted(event for event in events if event[1]) == [
            ("call:accepted", call),
            ("call:ended", call),
            ("call:incoming", call),
        ]
    finally:
        await caller.disconnect()
        await receiver.disconnect()


async def test_a_port_in_use_stops_what_had_started(server: InProcess) -> None:
    settings = Settings(port=server.application.port, auth="laravel", laravel_api_url="http://127.0.0.1:9")
    before = asyncio.all_tasks()
    with pytest.raises(OSError, match="address already in use"):
        await build(settings).start()
    assert {task for task in asyncio.all_tasks() if not task.done()} == before
    assert (await server.get("/health"))[0] == 200


async def test_each_kind_of_authentication() -> None:
    url = "http://127.0.0.1:9"
    for settings, kind in (
        (Settings(auth="laravel", laravel_api_url=url), LaravelAuthenticator),
        (Settings(auth="jwt", jwt_secret="x" * 32), JwtAuthenticator),
        (Settings(auth="static", dev=True), StaticAuthenticator),
    ):
        assert isinstance(build(settings).authenticator, kind)


# ---------------------------------------------------------------- the process


class Process:
    """A server process on a port of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    async def exit_code(self) -> int:
        """Waits for the end."""
        async with asyncio.timeout(20):
            return await self.process.wait()


def free_port() -> int:
    """Returns a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts server processes and waits until they answer; none survives the test."""
    running: list[Process] = []

    async def serve(closed: str = "", **settings: str) -> Process:
        port = free_port()
        command = f'exec "$0" -m onlycare_socket serve --dev --port {port} {closed}'
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            command,
            sys.executable,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **settings},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        running.append(Process(process, port))
        async with asyncio.timeout(20), aiohttp.ClientSession() as http:
            while not await answers(http, f"http://127.0.0.1:{port}/ready"):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        return running[-1]

    yield serve
    for each in running:
        if each.process.returncode is None:
            each.process.kill()
        await each.process.communicate()


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    """Says whether a server is there."""
    try:
        async with http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


async def open_poll(http: aiohttp.ClientSession, url: str) -> asyncio.Task[str]:
    """Opens a session and leaves a poll waiting."""
    async with http.get(f"{url}/socket.io/?EIO=4&transport=polling") as response:
        sid = (await response.text()).split('"sid":"')[1].split('"')[0]
    address = f"{url}/socket.io/?EIO=4&transport=polling&sid={sid}"
    async with http.post(address, data='40{"token":"dev:1","userId":"1"}') as response:
        assert response.status == 200

    async def poll() -> str:
        async with http.get(address) as response:
            return await response.text()

    assert (await poll()).startswith("40")
    waiting = asyncio.create_task(poll())
    async with http.get(f"{url}/health") as response:  # behind the poll, on its way
        assert (await response.json())["connectedUsers"] == 1
    return waiting


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_peace_with_a_poll_open(serve: Serve, number: signal.Signals) -> None:
    server = await serve()
    async with aiohttp.ClientSession() as http:
        poll = await open_poll(http, server.url)
        server.process.send_signal(number)
        assert await poll == "1"
    assert await server.exit_code() == 0
    assert server.process.stderr is not None
    assert b"Traceback" not in await server.process.stderr.read()


async def test_a_signal_ends_it_in_peace_with_a_slow_body_open(serve: Serve) -> None:
    server = await serve()
    async with aiohttp.ClientSession() as http:
        poll = await open_poll(http, server.url)
        idle = await http.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket")
        async with http.get(f"{server.url}/socket.io/?EIO=4&transport=polling") as response:
            sid = (await response.text()).split('"sid":"')[1].split('"')[0]
        _, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        writer.write(head.encode() + b"40")
        assert await answers(http, f"{server.url}/health")  # behind the body, on its way
        server.process.terminate()
        assert await poll == "1"
        assert await server.exit_code() == 0
        writer.close()
        await idle.close()
    assert server.process.stderr is not None
    said = await server.process.stderr.read()
    assert OVERDUE not in said
    assert b"Traceback" not in said


@pytest.mark.parametrize("engine", [fallback, picowssocket])
def test_all_that_stopping_waits_for_fits_into_its_time(engine: ModuleType) -> None:
    assert engine.EMPTY_LIMIT + 2 * SHUTDOWN_TIMEOUT < STOP_SLACK
    assert Settings().drain_spread + STOP_SLACK < 5


async def test_a_second_signal_ends_it_on_the_spot(serve: Serve) -> None:
    server = await serve(DRAIN_SPREAD="60")
    async with aiohttp.ClientSession() as http:
        poll = await open_poll(http, server.url)
        second = await http.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket")
        server.process.send_signal(signal.SIGTERM)
        await poll
        server.process.send_signal(signal.SIGTERM)
        assert await server.exit_code() == 128 + signal.SIGTERM
        await second.close()


async def test_it_outlives_its_output(serve: Serve) -> None:
    server = await serve(closed=">&- 2>&-")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{server.url}/api/calls") as response:
            assert response.status == 401
        assert await answers(http, f"{server.url}/health")
    server.process.terminate()
    assert await server.exit_code() == 0


@pytest.mark.parametrize("full", [False, True], ids=["heard", "nobody reads"])
async def test_an_end_that_hangs_is_cut_short_and_said(tmp_path: Path, full: bool) -> None:
    script = """
import asyncio, contextlib, os, signal, sys, threading
from onlycare_socket.process import Ending

if "full" in sys.argv:
    os.set_blocking(2, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(2, bytes(4096)):
            pass
    os.set_blocking(2, True)

async def main():
    ending = Ending(0.2)
    ending.heed()
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await ending.asked_for()
    threading.Event().wait()

asyncio.run(main())
"""
    ours, theirs = os.pipe()
    arguments = ("-c", script, "full") if full else ("-c", script)
    try:
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=tmp_path, stderr=theirs)
        async with asyncio.timeout(20):
            assert await process.wait() == 1
        assert os.read(ours, 4096) == (bytes(4096) if full else OVERDUE)
    finally:
        os.close(theirs)
        os.close(ours)


async def test_a_monitor_sees_the_drain(start: Start) -> None:
    server = await start(drain_spread=3)
    await server.phone("5")
    stopping = asyncio.create_task(server.application.stop())
    await asyncio.sleep(0)  # lets it begin
    async with aiohttp.ClientSession(server.url) as monitor:
        async with monitor.get("/ready") as ready, monitor.get("/health") as health:
            assert (ready.status, health.status) == (503, 200)
        async with monitor.get("/socket.io/?EIO=4&transport=polling") as handshake:
            assert handshake.status == 503
    await stopping
