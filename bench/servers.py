"""The contestants: how each is started with what is to be measured, and how it is watched and stopped.

All listen on HOST and PORT and take RATE_LIMIT and PRESENCE_SCOPE from the environment where they have such a thing.
Rate limits are on everywhere that has them, and so wide that nobody meets them.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct
from msgspec.structs import replace

from bench import processes
from bench.machine import PEERS, ROOT
from bench.processes import Failed

SECRET: Final = "benchmark-4d1f0c2e9a7b"
"""Opens this server's /metrics."""
_START: Final = 20.0
"""Seconds a server may take until it listens."""
_WIDE: Final = "1000000"


class Contestant(Struct, frozen=True, kw_only=True):
    """A server to be measured."""

    name: str
    says: str
    command: tuple[str, ...]
    settings: Mapping[str, str] = {}
    any_token: tuple[str, ...] = ()
    """Arguments that let in `dev:<id>` tokens; left out where a backend verifies."""

    def started_with(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Returns all settings of a start, those of the scenario last."""
        return {**self.settings, **settings}

    def told(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Returns the settings of a start as a report tells them: without where this checkout lies."""
        return {name: value.replace(str(ROOT), ".") for name, value in self.started_with(settings).items()}

    def arguments(self, settings: Mapping[str, str]) -> list[str]:
        """Returns the command of a start."""
        return [*self.command, *(() if "LARAVEL_API_URL" in settings else self.any_token)]


def contestants(python: str) -> dict[str, Contestant]:
    """Returns all of them by name; `python` runs the two that are written in it."""
    ours = Contestant(
        name="onlycare",
        says="onlycare-socket, everything on",
        command=(python, "-m", "onlycare_socket", "serve"),
        any_token=("--dev",),
        settings={
            "RATE_LIMIT": _WIDE,
            "SESSION_PACKETS": _WIDE,
            "LARAVEL_API_SECRET": SECRET,
            "LOG_LEVEL": "warning",
            "LOG_FORMAT": "json",
            "STORE": "memory",
        },
    )
    every = (
        ours,
        replace(
            ours,
            name="onlycare-uncompiled",
            says="onlycare-socket from a checkout, nothing compiled",
            settings={**ours.settings, "PYTHONPATH": str(ROOT / "src")},
        ),
        replace(
            ours,
            name="onlycare-sqlite",
            says="onlycare-socket, calls in a SQLite file",
            settings={**ours.settings, "STORE": "sqlite:///calls.db"},  # in the folder that it is started in
        ),
        Contestant(
            name="node-relay",
            says="Node socket.io, a relay without rules",
            command=("node", str(PEERS / "relay.js")),
            settings={"NODE_ENV": "production"},
        ),
        Contestant(
            name="node-rules",
            says="Node socket.io with the same rules",
            command=("node", str(PEERS / "rules.js")),
            settings={"NODE_ENV": "production", "RATE_LIMIT": _WIDE},
        ),
        Contestant(
            name="python-socketio",
            says="python-socketio on uvicorn, a relay without rules",
            command=(python, str(PEERS / "relay.py")),
        ),
    )
    return {one.name: one for one in every}


class Server:
    """A contestant on a port, which can be stopped and started again there."""

    def __init__(self, contestant: Contestant, settings: Mapping[str, str], cores: frozenset[int]) -> None:
        self.contestant = contestant
        self.settings = contestant.started_with(settings)
        self.port = processes.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._cores = cores
        self._directory = tempfile.TemporaryDirectory(prefix="bench-")  # no .env is read from here
        self._log = Path(self._directory.name, "log")
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process that is measured."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it and returns when it listens; raises Failed, with the end of its log, when it does not."""
        environ = {"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": str(self.port), **self.settings}
        try:
            self._process = processes.start(
                self.contestant.arguments(self.settings),
                cores=self._cores,
                log=self._log,
                environ=environ,
                cwd=Path(self._directory.name),
            )
        except FileNotFoundError as error:
            raise Failed(f"{error.filename} is not installed") from None
        deadline = time.monotonic() + _START
        while not processes.listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the server did not start: {processes.last_lines(self._log)}")
            time.sleep(0.02)

    def stop(self, *, kill: bool = False) -> None:
        """Ends it, if it runs; `kill` gives it no time to do anything more."""
        if self._process is not None:
            if kill:
                self._process.kill()
                self._process.wait()
            processes.end(self._process)
            self._process = None

    def close(self) -> None:
        """Ends it and removes what it wrote."""
        self.stop()
        self._directory.cleanup()

    def cpu_seconds(self) -> float:
        """Returns the CPU time it has taken since it was started; raises Failed when it has ended."""
        if self._process is None or (reason := self.gone()):
            raise Failed(reason or "the server was stopped")
        return processes.cpu_seconds(self._process)

    def resident(self) -> int:
        """Returns the bytes of memory it holds now; raises Failed when it has ended."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            raise Failed(self.gone() or "the server has ended") from None

    def gone(self, patience: float = 0.0) -> str | None:
        """Returns why the server is no longer there, or None while it runs, which is awaited for so many seconds."""
        if self._process is None:
            return None
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        return f"the server ended with {self._process.returncode}: {processes.last_lines(self._log)}"
