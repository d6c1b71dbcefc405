"""A server with the faults of the old one (`old_server/server.js`), run by Node as the old one is."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.interop.server_process import SECRET, free_port

_SCRIPT: Final = Path(__file__).parent / "old_server" / "server.js"
_MODULES: Final = Path(__file__).parents[2] / "bench" / "peers" / "node_modules"
_START: Final = 20.0
"""Seconds it may take until it answers."""


@contextmanager
def old_server(**settings: str) -> Iterator[str]:
    """Runs one and gives its address; skips the test, saying what is missing, where it cannot run."""
    if shutil.which("node") is None:
        pytest.skip("node is missing: sudo apt install nodejs npm")
    if not (_MODULES / "socket.io").is_dir():
        pytest.skip("bench/peers/node_modules is missing: npm ci in bench/peers")
    port = free_port()
    environ = {"PATH": os.environ["PATH"], "PORT": str(port), "LARAVEL_API_SECRET": SECRET, **settings}
    with subprocess.Popen(["node", str(_SCRIPT)], env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)  # nothing tells another process that a port is open
    raise AssertionError("the old server did not start")
