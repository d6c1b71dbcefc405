"""The server under test, `examples/protocol_app.py` as anybody would start it, and the wire to it."""

import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from ..server_process import free_port
from .wire import Wire

ROOT: Final = Path(__file__).parents[3]
_START: Final = 20.0
"""Seconds the server may take until it answers."""


@pytest.fixture(scope="session")
def protocol_app() -> Iterator[str]:
    """Starts the server; gives its address. CONFORMANCE_APP names another command, `{port}` in it, to be tested."""
    port = free_port()
    given = os.environ.get("CONFORMANCE_APP", f"{sys.executable} examples/protocol_app.py --port {{port}}")
    process = subprocess.Popen(shlex.split(given.format(port=port)), cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _START
        while not _answers(url):
            assert process.poll() is None, "the server did not start"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    """A connection of its own for every request, so that a closed one tells what the server did."""
    connector = TCPConnector(force_close=True)
    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar()) as session:
        yield session


@pytest.fixture
def echo(http: ClientSession, protocol_app: str) -> Wire:
    """The bare Engine.IO server, which sends back what it is sent."""
    return Wire(http, protocol_app, "/engine.io/")


@pytest.fixture
def sockets(http: ClientSession, protocol_app: str) -> Wire:
    """The Socket.IO server."""
    return Wire(http, protocol_app, "/socket.io/")


@pytest.fixture(params=["/engine.io/", "/socket.io/"])
def engine(request: pytest.FixtureRequest, http: ClientSession, protocol_app: str) -> Wire:
    """Either of them: the facts of Engine.IO hold for both."""
    return Wire(http, protocol_app, str(request.param))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/engine.io/?EIO=4&transport=polling", timeout=2):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
