"""A phone as the app's client is one: it connects, comes back by itself, answers pings, and sends nothing twice.

What is emitted while it is not connected waits and goes out behind the next CONNECT; what was on its way when a
connection broke is lost, and its ack never comes. Everything that is said and heard goes into the record.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import WSMsgType

from onlycare_socket.adapters.static import dev_token
from tests.interop.contract import check_ack, check_event

from .record import Record

ACK_WITHIN: Final = 8.0
"""Seconds after which nobody waits for an ack any more."""
_JUMBLE_OVER: Final = 0.03
"""Seconds over which a jumbling phone collects what it sends in another order."""


class Pace(NamedTuple):
    """How a phone comes back, in seconds."""

    backoff: tuple[float, ...]
    connect_timeout: float


APP: Final = Pace((1.0, 2.0, 4.0, 5.0), 20.0)
"""As the Android app does."""
QUICK: Final = Pace((0.15, 0.3, 0.6, 1.0), 2.0)
SLOW_LINE: Final = Pace((0.15, 0.3, 0.6, 1.0), 14.0)
"""For a line on which every question takes four seconds."""


class Phone:
    """One device of one user. `heard` is called with every event; `jumble` makes it disorderly while it is set."""

    def __init__(self, record: Record, url: str, http: aiohttp.ClientSession, user: str, device: str, pace: Pace):
        self.user, self.device = user, device
        self.heard: Callable[[Phone, str, dict[str, Any]], None] = lambda phone, event, payload: None
        self.jumble: Random | None = None
        self.up = asyncio.Event()
        self.port = 0
        self._record = record
        self._url = f"{url}/socket.io/?EIO=4&transport=websocket"
        self._http = http
        self._pace = pace
        self._numbers = itertools.count(1)
        self._connection = 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._waiting: list[str] = []
        self._acks: dict[int, asyncio.Future[dict[str, Any] | None]] = {}
        self._life: asyncio.Task[None] | None = None
        self._jumbled: list[str] = []

    def __str__(self) -> str:
        return f"{self.user}/{self.device}"

    # ------------------------------------------------------------ coming and going

    def switch_on(self) -> None:
        """Connects, and comes back whenever the connection is lost."""
        if self._life is None:
            self._life = asyncio.create_task(self._live())

    async def switch_off(self) -> None:
        """Closes the connection and stays away."""
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await life

    async def _live(self) -> None:
        attempt = 0
        while True:
            began = self._connection
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, _Lost):
                await self._connect()
            if self._connection != began:
                attempt = 0
            pause = self._pace.backoff[min(attempt, len(self._pace.backoff) - 1)]
            attempt += 1
            await asyncio.sleep(pause)

    async def _connect(self) -> None:
        """Holds one connection until it is lost."""
        async with asyncio.timeout(self._pace.connect_timeout) as limit:
            socket = await self._http.ws_connect(self._url, autoping=False, max_msg_size=0, timeout=_CLOSE_AT_ONCE)
            try:
                patience = await self._shake_hands(socket)
                limit.reschedule(None)
                await self._listen(socket, patience)
            finally:
                self._lost()
                await _close(socket)

    async def _shake_hands(self, socket: aiohttp.ClientWebSocketResponse) -> float:
        """Says who it is; returns the seconds of silence after which the connection counts as lost."""
        self.port = socket.get_extra_info("sockname")[1]
        opened = json.loads((await _packet(socket))[1:])
        auth = {"token": dev_token(self.user, self.device), "userId": self.user, "deviceId": self.device}
        await socket.send_str(f"40{json.dumps(auth)}")
        while True:
            packet = await _packet(socket)
            if packet == "2":
                await socket.send_str("3")
            elif packet.startswith("40"):
                break
            elif packet.startswith(("41", "44")):
                self._note("refused", body={"packet": packet[:200]})
                raise _Lost
        self._connection += 1
        self._note("up")
        self._socket = socket
        self.up.set()
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self._write(packet)
        return float(opened["pingInterval"] + opened["pingTimeout"]) / 1000

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, patience: float) -> None:
        while True:
            async with asyncio.timeout(patience):
                packet = await _packet(socket)
                if packet == "2":
                    await socket.send_str("3")
            if packet.startswith("42"):
                self._told(packet)
            elif packet.startswith("43"):
                self._acked(packet)
            elif packet.startswith(("41", "44")):
                self._note("refused", body={"packet": packet[:200]})
            elif packet == "1":
                raise _Lost

    def _lost(self) -> None:
        if self._socket is None:
            return
        self._socket = None
        self.up.clear()
        self._note("down")
        acks, self._acks = self._acks, {}
        for number, answer in acks.items():
            if any(packet.startswith(f"42{number}[") for packet in self._waiting):
                self._acks[number] = answer
            elif not answer.done():
                answer.set_result(None)

    # ------------------------------------------------------------ saying

    def emit(self, event: str, payload: dict[str, Any]) -> asyncio.Future[dict[str, Any] | None]:
        """Says something; the future has the ack, or None when the connection broke before it came."""
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._acks[number] = answer
        packet = f"42{number}{json.dumps([event, payload])}"
        if self._socket is None:
            self._waiting.append(packet)
        elif self.jumble is not None:
            self._jumbled.append(packet)
            if len(self._jumbled) == 1:
                asyncio.get_running_loop().call_later(_JUMBLE_OVER, self._send_jumbled, self.jumble)
        else:
            self._write(packet)
        return answer

    async def ask(self, event: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Says something; returns the ack, or None when it does not come."""
        try:
            async with asyncio.timeout(ACK_WITHIN):
                return await self.emit(event, payload)
        except TimeoutError:
            return None

    def _send_jumbled(self, random: Random) -> None:
        """Sends what was collected in any order, some of it twice or three times."""
        packets = [packet for packet in self._jumbled for _ in range(random.choice((1, 1, 2, 3)))]
        self._jumbled = []
        random.shuffle(packets)
        if self._socket is None:
            self._waiting += packets
        else:
            for packet in packets:
                self._write(packet)

    def _write(self, packet: str) -> None:
        number, _, rest = packet[2:].partition("[")
        event, payload = json.loads(f"[{rest}")
        self._note("sent", event=event, number=int(number), call=payload.get("callId", ""), body=payload)
        assert self._socket is not None
        sending = asyncio.ensure_future(self._socket.send_str(packet))
        sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())

    # ------------------------------------------------------------ hearing

    def _told(self, packet: str) -> None:
        event, *args = json.loads(packet[2:])
        if event.startswith("user:"):
            return
        try:
            payload = check_event(event, args)
        except AssertionError as problem:
            self._note("broken", event=event, body={"problem": str(problem)})
            return
        self._note("told", event=event, call=payload["callId"], body=payload)
        self.heard(self, event, payload)

    def _acked(self, packet: str) -> None:
        digits, _, rest = packet[2:].partition("[")
        number = int(digits)
        try:
            answer = check_ack("a command", json.loads(f"[{rest}"))
        except AssertionError as problem:
            self._note("broken", event="ack", number=number, body={"problem": str(problem)})
            return
        self._note("ack", number=number, call=answer.get("callId", ""), body=answer)
        waiting = self._acks.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _note(self, what: str, **fields: Any) -> None:
        self._record.add(what, user=self.user, device=self.device, connection=self._connection, **fields)


class _Lost(Exception):
    """The connection is gone."""


_CLOSE_AT_ONCE: Final = aiohttp.ClientWSTimeout(ws_close=0.05)


async def _packet(socket: aiohttp.ClientWebSocketResponse) -> str:
    message = await socket.receive()
    if message.type is not WSMsgType.TEXT:
        raise _Lost
    return str(message.data)


async def _close(socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await socket.close()
