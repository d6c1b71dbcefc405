"""The servers that the benchmark runs beside ours, and phones of python-socketio to play with them."""

import asyncio
import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import socketio

from tests.interop.contract import check_ack, check_event

BENCH: Final = Path(__file__).parents[2] / "bench"
PEERS: Final = BENCH / "peers"
WITHIN: Final = 10.0
"""Seconds after which what does not come counts as missing."""
_calls: Final = itertools.count(1)

Dial = Callable[..., Awaitable["Phone"]]


def command(peer: str) -> list[str]:
    """Returns what starts a peer; skips the test, saying what is missing, when it cannot run here."""
    if peer.endswith(".js"):
        if shutil.which("node") is None:
            pytest.skip("node is not installed")
        if not (PEERS / "node_modules" / "socket.io").is_dir():
            pytest.skip("bench/peers/node_modules is missing: npm ci in bench/peers")
        return ["node", str(PEERS / peer)]
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    return [sys.executable, str(PEERS / peer)]


@contextmanager
def running(peer: str, **settings: str) -> Iterator[str]:
    """Runs a peer and gives its address once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {"PATH": os.environ["PATH"], "PORT": str(port), "HOST": "127.0.0.1", **settings}
    process = subprocess.Popen(command(peer), env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        _wait(process, port, peer)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        with process.stdout:
            said = process.stdout.read()
        process.wait(WITHIN)
    assert "Error" not in said, said


def _wait(process: "subprocess.Popen[str]", port: int, peer: str) -> None:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"{peer} did not listen")


def get(url: str) -> str:
    """Returns the text of a page."""
    with urllib.request.urlopen(url, timeout=WITHIN) as answer:
        return str(answer.read().decode())


def status(url: str) -> int:
    """Returns the status that a GET is answered with."""
    try:
        with urllib.request.urlopen(url, timeout=WITHIN) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def call_id() -> str:
    """Returns the id of a new call."""
    return f"peer-{next(_calls)}"


class Refused(Exception):
    """A phone was not let in; its text is the server's message."""


class Phone:
    """One socket of a user. `strict`: everything it hears is held to the contract."""

    def __init__(self, *, strict: bool) -> None:
        self.user = ""
        self.refusal = ""
        """The message of a CONNECT_ERROR, once one came."""
        self._strict = strict
        self._client = socketio.AsyncClient(reconnection=False)
        self._heard: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._presence: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._client.on("*", self._hear)
        self._client.on("connect_error", self._refused)

    async def connect(self, url: str, user: str, transports: list[str], **auth: Any) -> None:
        """Connects; raises `Refused` when a CONNECT_ERROR comes instead."""
        self.user = user
        told = {"token": f"dev:{user}", "userId": user, "deviceId": "phone", **auth}
        try:
            await self._client.connect(url, auth=told, transports=transports, wait_timeout=WITHIN)
        except socketio.exceptions.ConnectionError as error:
            raise Refused(self.refusal) from error

    async def close(self) -> None:
        """Disconnects."""
        await self._client.disconnect()

    async def say(self, event: str, *payload: Any) -> dict[str, Any]:
        """Sends an event and returns its ack."""
        ack = await self._client.call(event, payload if len(payload) != 1 else payload[0], timeout=WITHIN)
        return check_ack(event, [ack]) if self._strict else dict(ack)

    async def dial(self, receiver: str, call: str, **other: Any) -> dict[str, Any]:
        """Says `call:initiate`."""
        payload = {
            "receiverId": receiver,
            "callId": call,
            "callType": "audio",
            "channelName": f"channel-{call}",
            "agoraToken": "agora",
        }
        return await self.say("call:initiate", payload | other)

    async def hear(self, event: str) -> dict[str, Any]:
        """Returns the payload of the next event, which must be this one."""
        name, payload = await asyncio.wait_for(self._heard.get(), WITHIN)
        assert name == event, f"{name} came before {event}: {payload}"
        return payload

    async def hear_of(self, user: str) -> str:
        """Returns the next event about this user's presence; presence comes when it may, between all else."""
        while True:
            event, who = await asyncio.wait_for(self._presence.get(), WITHIN)
            if who == user:
                return event

    async def hear_nothing(self) -> None:
        """Checks that nothing more came; an ack that comes after whatever was on its way bounds the wait."""
        await self.say("call:sync", {})
        assert self._heard.empty(), self._heard.get_nowait()

    def _refused(self, error: dict[str, Any]) -> None:
        self.refusal = error["message"]

    def _hear(self, event: str, *args: Any) -> None:
        payload = check_event(event, list(args)) if self._strict else args[0]
        if event.startswith("user:"):
            self._presence.put_nowait((event, payload["userId"]))
        else:
            self._heard.put_nowait((event, payload))


async def ringing(connect: Dial, url: str, caller: str, receiver: str) -> tuple[Phone, Phone, str]:
    """Returns two phones and the call that rings between them."""
    one, two, call = await connect(url, caller), await connect(url, receiver), call_id()
    ack = await one.dial(receiver, call)
    assert (ack["success"], ack["state"], ack["message"]) == (True, "ringing", "Call initiated successfully")
    incoming = await two.hear("call:incoming")
    assert (incoming["callerId"], incoming["callerName"]) == (caller, f"User {caller}")
    assert incoming["expiresAt"] == ack["expiresAt"]
    return one, two, call


async def talking(connect: Dial, url: str, caller: str, receiver: str) -> tuple[Phone, Phone, str]:
    """Returns two phones and the call that they talk in."""
    one, two, call = await ringing(connect, url, caller, receiver)
    assert (await two.say("call:accept", {"callId": call}))["state"] == "accepted"
    assert (await one.hear("call:accepted"))["receiverId"] == receiver
    return one, two, call
