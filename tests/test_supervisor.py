"""What the process tells systemd and PM2: read by the other end of the real sockets."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onlycare_socket.supervisor import Supervisor

WHERE = "http://127.0.0.1:3001"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        yield listening


def heard(listening: socket.socket) -> list[str]:
    """All that was said until now."""
    said = []
    listening.setblocking(False)
    try:
        while True:
            said.append(listening.recv(4096).decode())
    except BlockingIOError:
        return said


async def test_systemd_hears_of_the_start_and_the_end(systemd: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "PATH": "/bin"}
    supervisor = Supervisor(environ)
    assert environ == {"PATH": "/bin"}, "what is meant for this process must not reach its children"
    assert heard(systemd) == []
    supervisor.ready(WHERE)
    supervisor.stopping()
    supervisor.close()
    assert heard(systemd) == [f"READY=1\nSTATUS=Listening on {WHERE}", "STOPPING=1\nSTATUS=Closing the connections"]


async def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0onlycare-test-{os.getpid()}")
        supervisor = Supervisor({"NOTIFY_SOCKET": f"@onlycare-test-{os.getpid()}"})
        supervisor.stopping()
        supervisor.close()
        assert len(heard(listening)) == 1


async def test_the_loop_gives_signs_of_life_from_the_start_to_the_end(systemd: socket.socket) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "90000"})
    await asyncio.sleep(0.1)
    assert heard(systemd) == []
    supervisor.ready(WHERE)
    async with asyncio.timeout(10):
        alive = 0
        while alive < 4:
            await asyncio.sleep(0.03)
            alive += heard(systemd).count("WATCHDOG=1")
    supervisor.close()
    heard(systemd)
    await asyncio.sleep(0.1)
    assert heard(systemd) == []


@pytest.mark.parametrize(
    "watchdog",
    [
        {"WATCHDOG_USEC": "90000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "9" * 5000},
    ],
)
async def test_a_watchdog_of_somebody_else_or_none_is_left_alone(
    systemd: socket.socket, watchdog: dict[str, str]
) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.getsockname(), **watchdog})
    supervisor.ready(WHERE)
    await asyncio.sleep(0.1)
    assert [said for said in heard(systemd) if "WATCHDOG" in said] == []
    supervisor.close()


async def test_pm2_is_told_that_the_process_is_ready() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Supervisor({"NODE_CHANNEL_FD": str(theirs.fileno())}).ready(WHERE)
        ours.settimeout(5)
        assert ours.recv(100) == b'"ready"\n'
        assert not os.get_inheritable(theirs.fileno())


@pytest.mark.parametrize("number", ["", "-1", "x", "1", "9999", "99999999999999999999", "٣"])
async def test_a_channel_that_is_none_is_left_alone(number: str, capfd: pytest.CaptureFixture[str]) -> None:
    Supervisor({"NODE_CHANNEL_FD": number}).ready(WHERE)
    assert capfd.readouterr().out == ""


async def test_a_file_is_no_channel(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        Supervisor({"NODE_CHANNEL_FD": str(file.fileno())}).ready(WHERE)
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("address", ["relative", "vsock:2:1", "/nowhere/at/all", "@", "/" + "x" * 300])
async def test_a_supervisor_that_is_not_there_is_no_trouble(address: str) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": address})
    supervisor.ready(WHERE)
    supervisor.stopping()
    supervisor.close()


async def test_a_supervisor_that_went_away_is_no_trouble(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        supervisor = Supervisor({"NOTIFY_SOCKET": listening.getsockname(), "NODE_CHANNEL_FD": str(theirs.fileno())})
    ours.close()
    supervisor.ready(WHERE)
    supervisor.stopping()
    supervisor.close()
    theirs.close()


def test_the_process_is_ready_when_its_port_listens_and_says_when_it_stops(
    systemd: socket.socket, tmp_path: Path
) -> None:
    ours, theirs = socket.socketpair()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "onlycare_socket", "serve", "--dev", "--port", "0"],
        {
            "PATH": os.environ["PATH"],
            "NOTIFY_SOCKET": systemd.getsockname(),
            "NODE_CHANNEL_FD": "3",
            "LOG_FORMAT": "json",
            "STORE": "memory",
        },
        file_actions=[
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3),
            (os.POSIX_SPAWN_OPEN, 2, str(tmp_path / "log"), os.O_CREAT | os.O_WRONLY, 0o600),
        ],
    )
    try:
        ready = systemd.recv(4096).decode()
        assert ready.startswith("READY=1\nSTATUS=Listening on http://127.0.0.1:")
        host, port = ready.rpartition("/")[2].split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
        ours.settimeout(5)
        assert ours.recv(100) == b'"ready"\n'
        os.kill(pid, signal.SIGTERM)
        assert systemd.recv(4096).decode().startswith("STOPPING=1\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        ours.close()
        theirs.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "STATUS=LARAVEL_API_URL is not set"),
        (
            {"AUTH": "jwt", "JWT_SECRET": "x" * 32, "HOST": "192.0.2.1", "PORT": "1"},
            "STATUS=cannot listen on 192.0.2.1",
        ),
        ({"AUTH": "jwt", "JWT_SECRET": "x" * 32, "STORE": "sqlite:////dev/null/calls.db"}, "STATUS=STORE=sqlite:"),
    ],
)
def test_systemd_hears_why_a_start_failed(
    systemd: socket.socket, tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "onlycare_socket", "serve"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": systemd.getsockname(), "STORE": "memory", **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) <= 2, done.stderr
    (said,) = heard(systemd)
    assert said.startswith(says)
    assert "\n" not in said
