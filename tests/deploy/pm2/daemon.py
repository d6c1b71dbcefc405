"""A PM2 of the test's own, that runs deploy/ecosystem.config.js as it is shipped.

The file finds its paths in the environment, so the folders of a host are laid out below one of the test's.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from onlycare_socket.cli.tokens import make_token

from ...interop.server_process import free_port

ECOSYSTEM: Final = Path(__file__).parents[3] / "deploy" / "ecosystem.config.js"
APPLICATION: Final = "onlycare-socket"
_HERE: Final = Path(__file__).parent
_PM2: Final = _HERE / "node_modules" / ".bin" / "pm2"
_PATIENCE: Final = 20.0
"""Seconds after which something that does not come counts as missing."""

needs_pm2 = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="node or npm is missing: sudo apt install nodejs npm"
)


def install_pm2() -> None:
    """Puts the locked PM2 into node_modules, once for each lock file."""
    lock, installed = _HERE / "package-lock.json", _HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=_HERE, check=True, timeout=300)


def until(what: str, holds: Callable[[], Any], within: float = _PATIENCE) -> Any:
    """Returns what `holds` returns as soon as that is true."""
    end = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < end, f"after {within} s: {what}"
        time.sleep(0.005)
    return found


class State(NamedTuple):
    """What PM2 says of a process."""

    status: str
    pid: int
    restarts: int
    exit_code: int | None
    pm2_env: dict[str, Any]


class Pm2:
    """One PM2 daemon and the folders of a host, below `folder`.

    `server_user` is who runs the server, if not who runs the tests; `command` is a script to run instead of it.
    """

    def __init__(self, folder: Path, server_user: str = "", *, command: str = "") -> None:
        self.home = folder / "pm2"
        self.logs = folder / "log"
        self.state_folder = folder / "state"
        self.settings = folder / "onlycare-socket.env"
        self.port = free_port()
        self._server_user = server_user or pwd.getpwuid(os.geteuid()).pw_name
        self._releases = folder / "opt"
        for made in (self.logs, self.state_folder, self._releases):
            made.mkdir()
        if command:
            (self._releases / "current" / "bin").mkdir(parents=True)
            script = self._releases / "current" / "bin" / APPLICATION
            script.write_text(command)
            script.chmod(0o755)
        else:
            (self._releases / "current").symlink_to(sys.prefix)

    def set(self, **settings: str) -> None:
        """Writes the server's settings: those of a server that checks tokens itself, and these."""
        given = {
            "PORT": str(self.port),
            "AUTH": "jwt",
            "STORE": f"sqlite:///{self.state_folder / 'calls.db'}",
            "JWT_SECRET": secrets.token_hex(32),
            "LARAVEL_API_SECRET": secrets.token_hex(32),
            **settings,
        }
        self.settings.write_text("".join(f"{name}={value}\n" for name, value in given.items() if value))
        self.settings.chmod(0o600)
        if os.geteuid() == 0:
            for path in (self.settings, self.logs, self.state_folder):
                shutil.chown(path, self._server_user)

    def token(self, user: str) -> str:
        """Returns a token that the server accepts."""
        return make_token(user, str(self.settings))

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Runs a pm2 command, with nothing of this shell's environment, and returns what it said."""
        return subprocess.run(
            [str(_PM2), *arguments],
            env=self._environ(environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    def start(self, **environ: str) -> None:
        """`pm2 start` with the shipped file: returns when PM2 does, which waits for the server."""
        self.run("start", str(ECOSYSTEM), **environ)

    def starting(self) -> subprocess.Popen[bytes]:
        """The same, without waiting."""
        command = [str(_PM2), "start", str(ECOSYSTEM)]
        return subprocess.Popen(command, env=self._environ({}), stdout=subprocess.DEVNULL)

    def state(self) -> State:
        """Returns what `pm2 jlist` says of the one process there is."""
        (known,) = json.loads(self.run("jlist").stdout.splitlines()[-1])
        env = known["pm2_env"]
        assert known["name"] == APPLICATION
        return State(env["status"], known["pid"], env["restart_time"], env.get("exit_code"), env)

    def pid(self) -> int:
        """Returns the id of the server's process, from the file that PM2 writes as soon as there is one; else 0."""
        try:
            return int((self.home / "pids" / f"{APPLICATION}-0.pid").read_text() or 0)
        except FileNotFoundError:  # PM2 removes it in between
            return 0

    def healthy(self) -> bool:
        """Whether the server answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def log(self) -> list[dict[str, Any]]:
        """Returns the server's log."""
        return [json.loads(line) for line in (self.logs / "out.log").read_text().splitlines()]

    def said(self) -> str:
        """Returns what PM2 has noted of its own doing."""
        return (self.home / "pm2.log").read_text()

    def kill(self) -> None:
        """Ends the server and this PM2, and no other."""
        daemon = self.home / "pm2.pid"
        if not daemon.exists():
            return
        pid = int(daemon.read_text())
        self.run("kill")
        until("PM2 has ended", lambda: not _runs(pid))

    def _environ(self, more: dict[str, str]) -> dict[str, str]:
        assert len(str(self.home)) < 90, "PM2 puts Unix sockets there"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home.parent),
            "PM2_HOME": str(self.home),
            "PM2_DISABLE_VERSION_CHECK": "true",  # it asks its maker's host
            "ONLYCARE_SOCKET_HOME": str(self._releases),
            "ONLYCARE_SOCKET_ENV_FILE": str(self.settings),
            "ONLYCARE_SOCKET_STATE": str(self.state_folder),
            "ONLYCARE_SOCKET_LOGS": str(self.logs),
            "ONLYCARE_SOCKET_USER": self._server_user,
            **more,
        }


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def send(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a server's process, which must be a real one: 0 and below name whole groups."""
    assert pid > 1
    os.kill(pid, number)
