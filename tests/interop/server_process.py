"""A really started server: the installed command, an own process, a real port."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

SECRET: Final = "interop-2f1c9a77d0e84b55"
_START: Final = 20.0
"""Seconds a server may take until it answers."""
_STOP: Final = 15.0
"""Seconds it may take to stop."""


def free_port() -> int:
    """Returns a port of loopback that was free a moment ago, to be used again by a restarted server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command() -> list[str]:
    """Returns what starts a server; INTEROP_SERVER names another command that reads the same settings."""
    if given := os.environ.get("INTEROP_SERVER"):
        return shlex.split(given)
    return [sys.executable, "-m", "onlycare_socket", "serve"]


class Server:
    """One server process on one port, which can be stopped and started again."""

    def __init__(self, *arguments: str, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._settings = settings
        self._directory = tempfile.TemporaryDirectory()  # no .env of the developer's is read
        self._log = Path(self._directory.name, "server.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process and waits until it answers; raises AssertionError with its log if it does not."""
        environ = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "LARAVEL_API_SECRET": SECRET,
            "STORE": "sqlite:///calls.db",
            **self._settings,
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command(), *self._arguments], env=environ, cwd=self._directory.name, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start:\n{self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Asks the process to stop as an operator would, and checks that it ends by itself and in peace."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {_STOP} s:\n{self.log()}") from None
        assert code == 0, f"the server stopped with {code}:\n{self.log()}"
        self._process = None

    def kill(self) -> None:
        """Ends the process at once, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stops the process if it runs, removes its directory, and checks that it logged no traceback."""
        try:
            if self._process is not None:
                self.stop()
            assert "Traceback" not in self.log(), self.log()
        finally:
            self._directory.cleanup()

    def log(self) -> str:
        """Returns what the process wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def get(self, path: str) -> Any:
        """Returns the JSON that a GET with the secret is answered with."""
        return self._request("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Returns the JSON that a POST with the secret is answered with."""
        return self._request("POST", path, body)

    def _request(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Internal-Secret": SECRET, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
