"""deploy/logrotate, with real logrotate, while the server under PM2 logs without a pause: no line is lost."""

import asyncio
import grp
import gzip
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from .pm2.daemon import Pm2, install_pm2, needs_pm2

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "logrotate" / "onlycare-socket"
LOGROTATE: Final = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
ROTATIONS = 8
OPENING = "/socket.io/?EIO=4&transport=polling"

pytestmark = pytest.mark.skipif(LOGROTATE is None, reason="logrotate is missing: sudo apt install logrotate")


class Rotation:
    """logrotate with the shipped file, for a folder of this test's and, if no other is given, the user who runs it."""

    def __init__(self, folder: Path, logs: Path, owner: str = "") -> None:
        self._logs = logs
        self._state = folder / "logrotate.state"
        self._file = folder / "logrotate.conf"
        owner = owner or f"{pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name}"
        text = CONFIGURATION.read_text()
        for shipped, here in (("/var/log/onlycare-socket", str(logs)), ("onlycare-socket adm", owner)):
            assert shipped in text
            text = text.replace(shipped, here)
        self._file.write_text(text)
        self._file.chmod(0o644)

    def run(self, *options: str) -> str:
        """Returns what logrotate said, which must be no error."""
        command = [LOGROTATE or "", "--state", str(self._state), *options, str(self._file)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "error:" not in ran.stderr
        return ran.stderr

    def files(self) -> list[Path]:
        """Returns the log and all that it was moved to, the newest first."""
        moved = list(self._logs.glob("out.log.*"))
        return [self._logs / "out.log", *sorted(moved, key=lambda path: int(path.name.split(".")[2]))]


@pytest.fixture
def rotation(tmp_path: Path) -> Rotation:
    """The shipped file, for a folder `log`."""
    (tmp_path / "log").mkdir(mode=0o750)
    return Rotation(tmp_path, tmp_path / "log")


def test_logrotate_finds_nothing_wrong(rotation: Rotation, tmp_path: Path) -> None:
    (tmp_path / "log" / "out.log").write_text("a line\n")
    said = rotation.run("--debug")
    assert [line for line in said.splitlines() if "warning" in line and "debug mode" not in line] == []
    assert "out.log" in said


def test_no_logs_yet_and_empty_ones_are_no_fault(rotation: Rotation, tmp_path: Path) -> None:
    rotation.run("--force")
    (tmp_path / "log" / "error.log").touch()
    rotation.run("--force")
    assert [path.name for path in (tmp_path / "log").iterdir()] == ["error.log"]


def test_two_weeks_are_kept_all_but_the_newest_packed(rotation: Rotation, tmp_path: Path) -> None:
    for day in range(20):
        (tmp_path / "log" / "out.log").write_text(f"{day}\n")
        rotation.run("--force")
    packed = [f"out.log.{number}.gz" for number in range(2, 15)]
    assert [path.name for path in rotation.files()] == ["out.log", "out.log.1", *packed]
    assert rotation.files()[0].stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may rotate for another user: run this with sudo")
def test_root_rotates_as_the_user_of_the_server() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to other users
        Path(folder).chmod(0o755)
        logs = Path(folder, "log")
        logs.mkdir(mode=0o750)
        (logs / "out.log").write_text("a line\n")
        for path in (logs, logs / "out.log"):
            shutil.chown(path, "games", "adm")
        rotation = Rotation(Path(folder), logs, "games adm")
        rotation.run("--force")
        (logs / "out.log").write_text("another\n")
        rotation.run("--force")
        assert [path.name for path in rotation.files()] == ["out.log", "out.log.1", "out.log.2.gz"]
        assert {(path.owner(), path.group()) for path in rotation.files()} == {("games", "adm")}


@pytest.fixture
def pm2(tmp_path: Path) -> Iterator[Pm2]:
    """A server under PM2, started."""
    install_pm2()
    pm2 = Pm2(tmp_path)
    pm2.set()
    pm2.start()
    yield pm2
    pm2.kill()


@needs_pm2
async def test_every_line_is_in_exactly_one_file(pm2: Pm2, tmp_path: Path) -> None:
    rotation = Rotation(tmp_path, pm2.logs)
    enough = asyncio.Event()
    clients = asyncio.create_task(refused_clients(pm2.port, enough))
    for _ in range(ROTATIONS):
        await asyncio.sleep(0.4)
        await asyncio.to_thread(rotation.run, "--force")
    await asyncio.sleep(0.4)
    enough.set()
    sent = await clients

    files = rotation.files()
    assert len(files) == ROTATIONS + 1
    lines = [[line for line in map(json.loads, text(path).splitlines()) if "address" in line] for path in files]
    assert all(lines)
    seen = Counter(line["address"] for part in lines for line in part if line["event"] == "client rejected")
    assert set(seen.values()) == {1}
    assert set(seen) == set(sent)
    assert pm2.state().restarts == 0


@needs_pm2
def test_a_log_that_was_removed_is_made_anew(pm2: Pm2) -> None:
    (pm2.logs / "out.log").unlink()
    pm2.run("stop", "onlycare-socket")
    assert [line["event"] for line in pm2.log()] == ["stopping", "stopped"]
    assert (pm2.logs / "out.log").stat().st_mode & 0o777 == 0o640


async def refused_clients(port: int, enough: asyncio.Event) -> list[str]:
    """Sends nonsense, each time from another address, until it is enough. Returns the addresses.

    The server logs one line for each such client. 127.0.0.1 is a proxy that it believes.
    """
    addresses: list[str] = []
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        while not enough.is_set():
            number = len(addresses)
            addresses.append(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
            await refused(session, addresses[-1])
    return addresses


async def refused(session: aiohttp.ClientSession, address: str) -> None:
    headers = {"X-Forwarded-For": address}
    async with session.get(OPENING, headers=headers) as opened:
        sid = json.loads((await opened.text())[1:])["sid"]
    async with session.post(f"{OPENING}&sid={sid}", data="nonsense", headers=headers) as answer:
        await answer.read()


def text(path: Path) -> str:
    """Returns what is in a log, packed or not."""
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
