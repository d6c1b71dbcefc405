"""The server as a process of its own: started, killed, stopped and started anew on the same file of calls."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import ClientTimeout

from onlycare_socket.config import Settings

SECRET: Final = "a-secret-of-the-fault-tests-91c7"
STARTS_WITHIN: Final = 15.0
"""Seconds: more is a server that does not start."""
STOPS_WITHIN: Final = 5.0
"""Seconds after SIGTERM in which the server promises to be gone."""

_OURS: Final = {name.upper() for name in Settings.__struct_fields__}
_ANSWERS_WITHIN: Final = ClientTimeout(total=5.0)


class ServerFailure(Exception):
    """The server did not start, or did not answer where no fault excuses it; the text says what was seen."""


class ServerProcess:
    """One server and its successors. `folder` gets its log and, if the settings say so, its calls."""

    def __init__(self, folder: Path, settings: Mapping[str, str], environ: Mapping[str, str]) -> None:
        """`environ` is added to the process's environment for what is not a setting."""
        inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
        fixed = {"PORT": "0", "HOST": "127.0.0.1", "AUTH": "static", "LARAVEL_API_SECRET": SECRET, "LOG_FORMAT": "json"}
        self._environ = {**inherited, **fixed, **settings, **environ}
        self._folder = folder
        self.log = folder / "server.log"
        self._read_until = 0
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @property
    def alive(self) -> bool:
        """Whether a process runs now."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> float:
        """Starts it and waits until it listens; returns the seconds that took. Raises ServerFailure."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            at = log.seek(0, os.SEEK_END)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "onlycare_socket", "serve", "--dev"),
                cwd=self._folder,
                env=self._environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while (port := self._port_in_log(at)) is None:
            if self._process.returncode is not None:
                raise ServerFailure(f"the server ended with {self._process.returncode} instead of listening")
            if time.monotonic() - began > STARTS_WITHIN:
                raise ServerFailure(f"the server does not listen after {STARTS_WITHIN:.0f} s")
            await asyncio.sleep(0.01)
        self.port = port
        return time.monotonic() - began

    def _port_in_log(self, at: int) -> int | None:
        with self.log.open("rb") as log:
            log.seek(at)
            lines = [line for line in log if b'"listening"' in line and line.endswith(b"\n")]
        return int(json.loads(lines[0])["address"].rpartition(":")[2]) if lines else None

    def new_log(self) -> list[str]:
        """Returns the lines that were logged since this was asked last."""
        with self.log.open("rb") as log:
            log.seek(self._read_until)
            lines = log.read().decode(errors="replace").splitlines()
            self._read_until = log.tell()
        return lines

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to this process, and to no other."""
        if self._process is not None and self.alive:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Kills it and waits until it is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()

    async def terminate(self) -> tuple[int, float]:
        """Asks it to stop; returns its exit code and the seconds it took. Raises ServerFailure when it stays."""
        assert self._process is not None
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOPS_WITHIN + 5.0):
                code = await self._process.wait()
        except TimeoutError:
            raise ServerFailure("the server does not stop at SIGTERM") from None
        return code, time.monotonic() - began

    async def ask(self, http: aiohttp.ClientSession, path: str) -> tuple[int, dict[str, Any]]:
        """Returns the status and the JSON of a GET, past the proxy. Raises ServerFailure for no answer."""
        try:
            async with http.get(
                f"http://127.0.0.1:{self.port}{path}",
                headers={"X-Internal-Secret": SECRET},
                timeout=_ANSWERS_WITHIN,
            ) as response:
                body: dict[str, Any] = await response.json()
                return response.status, body
        except (OSError, aiohttp.ClientError, TimeoutError) as problem:
            raise ServerFailure(f"GET {path}: {problem!r}") from None
