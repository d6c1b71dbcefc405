"""A whole server inside the test's own event loop, and phones that talk to it over a real port.

Phones speak Engine.IO and Socket.IO by hand over an aiohttp WebSocket, so a test can also say what no library would.
What a phone is told is taken strictly in the order in which it came, and checked field by field.
"""

import asyncio
import itertools
import json
import random
import time
from collections import deque
from typing import Any, Final, Self

import aiohttp
from aiohttp import WSMsgType

from onlycare_socket.adapters.static import dev_token
from onlycare_socket.app import build
from onlycare_socket.application import Application
from onlycare_socket.calls.ids import Millis
from onlycare_socket.config import Settings
from onlycare_socket.ports import Authenticator, Backend

from .interop.contract import check_ack, check_event

SECRET: Final = "a-secret-of-the-tests-4f1d"
WITHIN: Final = 5.0
"""Seconds after which something that does not come counts as missing: a limit for broken servers, not a measure."""

_calls = itertools.count(random.randrange(1_000) * 1_000)


def new_call_id() -> str:
    """Returns a call id that says nothing about time and was not used before."""
    return f"CALL_{next(_calls)}"


class TestClock:
    """The real clocks, moved ahead by hand."""

    __test__ = False

    def __init__(self) -> None:
        self._ahead = 0.0

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._ahead += seconds

    def wall(self) -> Millis:
        """Milliseconds since 1970."""
        return Millis(int((time.time() + self._ahead) * 1000))

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic() + self._ahead


class Gone(Exception):
    """The server closed the transport."""


class Phone:
    """One WebSocket with one Socket.IO socket in the main namespace."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._acks: dict[int, list[Any]] = {}
        self._events: deque[tuple[str, list[Any]]] = deque()
        self.presence: deque[tuple[str, dict[str, Any]]] = deque()
        self.sid = ""

    async def send(self, packet: str) -> None:
        """Sends an Engine.IO packet as it is."""
        await self._socket.send_str(packet)

    async def send_bytes(self, data: bytes) -> None:
        """Sends a binary message."""
        await self._socket.send_bytes(data)

    async def connect(self, auth: object = None) -> dict[str, Any] | None:
        """Sends a CONNECT; returns the CONNECT_ERROR, or None when it was accepted. Raises Gone."""
        await self.send("40" if auth is None else f"40{json.dumps(auth)}")
        while True:
            packet = await self._packet()
            if packet.startswith("40"):
                self.sid = json.loads(packet[2:])["sid"]
                return None
            if packet.startswith("44"):
                error: dict[str, Any] = json.loads(packet[2:])
                return error
            self._take(packet)

    async def tell(self, event: str, *args: object) -> None:
        """Sends an event without asking for an ack."""
        await self.send(f"42{json.dumps([event, *args])}")

    async def ask(self, event: str, *args: object) -> dict[str, Any]:
        """Sends an event; returns its ack, checked."""
        number = next(self._numbers)
        await self.send(f"42{number}{json.dumps([event, *args])}")
        return await self.acked(number, event)

    async def acked(self, number: int, event: str = "an event") -> dict[str, Any]:
        """Returns the ack of this number, checked."""
        while number not in self._acks:
            self._take(await self._packet())
        return check_ack(event, self._acks.pop(number))

    async def expect(self, event: str) -> dict[str, Any]:
        """Returns the payload of the next event, which must be this one, checked."""
        while not self._events:
            self._take(await self._packet())
        name, args = self._events.popleft()
        assert name == event, f"expected {event}, got {name} {args}"
        return check_event(name, args)

    async def quiet(self) -> None:
        """Asserts that nothing else was told; what was sent before the answer to a question has come with it."""
        await self.ask("call:sync", {})
        assert not self._events, list(self._events)

    async def expect_presence(self, event: str) -> dict[str, Any]:
        """Returns the payload of the next presence event, which must be this one."""
        while not self.presence:
            self._take(await self._packet())
        name, payload = self.presence.popleft()
        assert name == event
        return payload

    async def expect_gone(self) -> None:
        """Waits until the server closes the transport; a Socket.IO DISCONNECT or CONNECT_ERROR before it fails."""
        try:
            while True:
                packet = await self._packet()
                assert not packet.startswith(("41", "44")), packet
        except Gone:
            return

    async def close(self) -> None:
        """Closes the transport."""
        await self._socket.close()

    async def _packet(self) -> str:
        """Returns the next packet; answers pings by itself."""
        while True:
            async with asyncio.timeout(WITHIN):
                message = await self._socket.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                raise Gone
            packet = str(message.data)
            if packet == "2":
                await self.send("3")
            elif packet == "1":
                raise Gone
            else:
                return packet

    def _take(self, packet: str) -> None:
        if packet.startswith("43"):
            number, bracket, rest = packet[2:].partition("[")
            self._acks[int(number)] = json.loads(bracket + rest)
        elif packet.startswith("42"):
            name, *args = json.loads(packet[2:])
            if name.startswith("user:"):
                self.presence.append((name, check_event(name, args)))
            else:
                self._events.append((name, args))


class InProcess:
    """A started server, and what a test does with it."""

    def __init__(self, application: Application, clock: TestClock, http: aiohttp.ClientSession) -> None:
        self.application = application
        self.clock = clock
        self.http = http
        self.url = f"http://127.0.0.1:{application.port}"
        self._phones: list[Phone] = []

    @classmethod
    async def start(
        cls, authenticator: Authenticator | None = None, *, backend: Backend | None = None, **settings: Any
    ) -> Self:
        """Starts a server with static authentication, on a free port."""
        clock = TestClock()
        given: dict[str, Any] = {
            "port": 0,
            "auth": "static",
            "dev": True,
            "drain_spread": 0.0,
            "laravel_api_secret": (SECRET,),
        }
        application = build(Settings(**(given | settings)), clock=clock, authenticator=authenticator, backend=backend)
        await application.start()
        return cls(application, clock, aiohttp.ClientSession(f"http://127.0.0.1:{application.port}"))

    async def stop(self) -> None:
        """Closes the phones and stops the server."""
        for phone in self._phones:
            await phone.close()
        await self.http.close()
        await self.application.stop()

    def pass_time(self, seconds: float) -> None:
        """Moves the clock ahead and does what is due then."""
        self.clock.advance(seconds)
        self.application.pulse.beat()

    async def open(self) -> Phone:
        """Returns a phone whose transport is open, without a CONNECT."""
        socket = await self.http.ws_connect("/socket.io/?EIO=4&transport=websocket", max_msg_size=0)
        assert (await socket.receive_str()).startswith("0{")
        phone = Phone(socket)
        self._phones.append(phone)
        return phone

    async def phone(self, user: str, device: str | None = "phone", token: str = "a", **auth: object) -> Phone:
        """Returns a connected phone of a user."""
        phone = await self.open()
        credentials: dict[str, object] = {"token": dev_token(user, token), "userId": user, **auth}
        if device is not None:
            credentials["deviceId"] = device
        assert await phone.connect(credentials) is None
        return phone

    async def get(self, path: str, *, secret: str | None = SECRET, **headers: str) -> tuple[int, Any]:
        """Returns the status and the JSON of a GET."""
        return await self._request("GET", path, secret, None, headers)

    async def post(
        self, path: str, body: object = None, *, secret: str | None = SECRET, **headers: str
    ) -> tuple[int, Any]:
        """Returns the status and the JSON of a POST; a body of bytes is sent as it is."""
        return await self._request("POST", path, secret, body, headers)

    async def _request(
        self, method: str, path: str, secret: str | None, body: object, headers: dict[str, str]
    ) -> tuple[int, Any]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret is not None:
            given["X-Internal-Secret"] = secret
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        async with self.http.request(method, path, headers=given, data=data) as response:
            return response.status, json.loads(await response.read())


def initiate(receiver: str, call_id: str, **fields: object) -> dict[str, object]:
    """Returns the payload of a `call:initiate`."""
    return {
        "receiverId": receiver,
        "callId": call_id,
        "callType": "audio",
        "channelName": f"channel of {call_id}",
        "agoraToken": "006agora",
        **fields,
    }


async def ring(caller: Phone, receiver: Phone, receiver_id: str, call_id: str) -> None:
    """Dials a receiver who is there, and sees his phone ring."""
    ack = await caller.ask("call:initiate", initiate(receiver_id, call_id))
    assert ack["success"], ack
    assert (await receiver.expect("call:incoming"))["callId"] == call_id


async def talk(caller: Phone, receiver: Phone, receiver_id: str, call_id: str) -> None:
    """Has a call dialled and accepted."""
    await ring(caller, receiver, receiver_id, call_id)
    assert (await receiver.ask("call:accept", {"callId": call_id}))["success"]
    await caller.expect("call:accepted")


async def pair(server: InProcess) -> tuple[Phone, Phone, str]:
    """Returns phones of USR_1 and USR_2, and a new call id."""
    return await server.phone("USR_1"), await server.phone("USR_2"), new_call_id()
