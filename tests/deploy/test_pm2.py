"""deploy/ecosystem.config.js in real PM2: when it says online, how it restarts, how it stops, what it tells whom."""

import asyncio
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
import socketio

from onlycare_socket.app import STOP_SLACK
from onlycare_socket.config import Settings

from .pm2.daemon import Pm2, install_pm2, needs_pm2, send, until

pytestmark = needs_pm2

DRAINED = 5.0
"""Seconds within which a server has to be gone."""
POLLS = 5
OTHER_USER = "games"
"""A user of every Debian, with a group of the same name."""
SAYS_WHO = """\
#!/bin/sh
echo "$(id -un) $(id -gn)" >> "$LOG_FILE"
echo '"ready"' >&"$NODE_CHANNEL_FD"
exec sleep 60
"""
"""In the place of the server, whose Python such a user need not get at on the machine of the tests."""


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """PM2 is in node_modules."""
    install_pm2()


@pytest.fixture
def pm2(tmp_path: Path) -> Iterator[Pm2]:
    """A PM2 with the settings of a server that is well, and nothing started."""
    pm2 = Pm2(tmp_path)
    pm2.set()
    yield pm2
    pm2.kill()


def test_it_is_online_only_once_the_port_listens(pm2: Pm2) -> None:
    started = pm2.starting()
    pid = until("PM2 started a process", pm2.pid)
    send(pid, signal.SIGSTOP)  # long before it listens
    try:
        for _ in range(3):
            assert pm2.state().status == "launching"
            assert not listens(pm2.port)
    finally:
        send(pid, signal.SIGCONT)
    assert started.wait(10) == 0
    state = pm2.state()
    assert (state.status, state.pid, state.restarts) == ("online", pid, 0)
    assert pm2.healthy()
    assert [line["event"] for line in pm2.log()] == ["listening"]  # and no warning about PM2's own variables
    assert (pm2.logs / "error.log").read_text() == ""


def test_killed_it_is_back_and_healthy_within_three_seconds(pm2: Pm2) -> None:
    pm2.start()
    for restarts in (1, 2):
        pid = pm2.pid()
        send(pid, signal.SIGKILL)
        until("another process is healthy", partial(is_back, pm2, pid), within=3)
        assert pm2.state()[:3] == ("online", pm2.pid(), restarts)


@pytest.mark.parametrize("way", ["pm2 stop", "SIGTERM", "SIGINT"])
async def test_it_drains_and_exits_0_with_long_polls_open(pm2: Pm2, way: str) -> None:
    await asyncio.to_thread(pm2.start)
    pid = pm2.pid()
    async with AsyncExitStack() as phones:
        closed = [await polling_phone(pm2, str(user), phones) for user in range(POLLS)]
        began = time.monotonic()
        if way == "pm2 stop":
            await asyncio.to_thread(pm2.run, "stop", "onlycare-socket")
        else:
            send(pid, signal.Signals[way])
            await asyncio.to_thread(until, "the server is gone", lambda: pm2.pid() != pid)
        took = time.monotonic() - began
        async with asyncio.timeout(5):
            await asyncio.gather(*(each.wait() for each in closed))
    assert 0.5 < took < DRAINED  # they are closed one after the other
    assert [line["event"] for line in pm2.log()][:3] == ["listening", "stopping", "stopped"]
    assert "exited with code [0] via signal [SIGINT]" in pm2.said()  # PM2 says SIGINT when no signal ended it
    assert "still alive" not in pm2.said()
    if way == "pm2 stop":
        assert pm2.state()[:4] == ("stopped", 0, 0, 0)
    else:
        until("it is started again", partial(is_back, pm2, pid))


def test_pm2_waits_longer_for_the_drain_than_the_server_takes(pm2: Pm2) -> None:
    pm2.start()
    known = pm2.state().pm2_env
    assert known["kill_timeout"] / 1000 >= Settings().drain_spread + STOP_SLACK + 1
    assert known["max_memory_restart"] == 500 * 1024 * 1024
    assert known["exec_mode"] == "fork_mode"


@pytest.mark.parametrize("command", ["restart", "reload"])
def test_a_restart_returns_when_the_new_process_is_ready(pm2: Pm2, command: str) -> None:
    pm2.start()
    pid = pm2.pid()
    pm2.run(command, "onlycare-socket")
    assert pm2.healthy()
    state = pm2.state()
    assert state.status == "online"
    assert state.pid not in (0, pid)


def test_a_wrong_setting_says_why_is_never_online_and_no_storm(pm2: Pm2) -> None:
    pm2.set(AUTH="")
    pm2.start()
    end = time.monotonic() + 5
    seen = set()
    while time.monotonic() < end:
        seen.add(pm2.state().status)
    reasons = (pm2.logs / "error.log").read_text().splitlines()
    assert seen <= {"launching", "waiting restart"}
    assert set(reasons) == {reasons[0]}
    assert reasons[0].startswith("onlycare-socket: LARAVEL_API_URL is not set")
    assert 2 <= len(reasons) <= 10  # after pauses of 0.1, 0.15, 0.23 s and so on, up to 15 s
    pm2.set()
    until("it starts by itself once the setting is mended", pm2.healthy)
    assert pm2.state().status == "online"


def test_nothing_of_the_shell_gets_to_the_server_or_into_what_pm2_keeps(pm2: Pm2) -> None:
    pm2.start(PORT="1", LARAVEL_API_SECRET="a-secret-of-the-shell", DB_PASSWORD="another-secret")
    assert pm2.healthy()  # on the port of the settings file
    pm2.run("save")
    seen_by_others = [
        (pm2.home / "dump.pm2").read_text(),
        pm2.run("jlist").stdout,
        pm2.run("env", "0").stdout,
        Path(f"/proc/{pm2.pid()}/environ").read_text(),
    ]
    own = [line.partition("=")[2] for line in pm2.settings.read_text().splitlines() if "SECRET" in line]
    for text in seen_by_others:
        assert "onlycare-socket" in text
        for secret in ("a-secret-of-the-shell", "another-secret", *own):
            assert secret not in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PM2 starts programs as others: run this with sudo")
def test_in_pm2_of_root_the_server_is_not_root() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        Path(folder).chmod(0o755)
        pm2 = Pm2(Path(folder), OTHER_USER, command=SAYS_WHO)
        pm2.set()
        try:
            pm2.start()
            assert pm2.state().status == "online"
            assert (pm2.logs / "out.log").read_text() == f"{OTHER_USER} {OTHER_USER}\n"
            assert (pm2.logs / "out.log").owner() == OTHER_USER
        finally:
            pm2.kill()


def is_back(pm2: Pm2, killed: int) -> bool:
    """Whether another process than the one that ended is healthy."""
    return pm2.pid() not in (0, killed) and pm2.healthy()


def listens(port: int) -> bool:
    """Whether somebody takes connections on this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def polling_phone(pm2: Pm2, user: str, phones: AsyncExitStack) -> asyncio.Event:
    """Connects a phone that keeps a long poll open. Returns what is set when the server has closed it."""
    phone = socketio.AsyncClient(reconnection=False)
    closed = asyncio.Event()
    phone.on("disconnect", closed.set)
    phones.push_async_callback(phone.disconnect)
    await phone.connect(
        f"http://127.0.0.1:{pm2.port}", auth={"token": pm2.token(user), "userId": user}, transports=["polling"]
    )
    return closed
