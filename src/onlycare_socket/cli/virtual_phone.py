"""A phone without a screen: one Socket.IO connection through python-socketio's client, not through our own code."""

import asyncio
import contextlib
import time
from typing import Any, Literal

import socketio
from socketio.exceptions import SocketIOError
from socketio.exceptions import TimeoutError as NoAck

from onlycare_socket.cli.failure import Failure, Unauthorized, Unreachable

Transport = Literal["upgrade", "polling", "websocket"]
_TRANSPORTS = {"upgrade": ["polling", "websocket"], "polling": ["polling"], "websocket": ["websocket"]}

_NO_ANSWER = (
    "the server closed the connection without an answer, as it does when its backend (Laravel) is slow or down: "
    "look at the server's log and its LARAVEL_API_URL"
)


class StepFailed(Failure):
    """A step of the call did not go as it must."""


class VirtualPhone:
    """Connects as one user, sends commands and waits for events of one call. Times are `time.perf_counter` seconds."""

    def __init__(self, name: str, user: str, token: str, call_id: str) -> None:
        self.name = name
        self.user = user
        self._auth = {"token": token, "userId": user, "platform": "cli"}
        self._call_id = call_id
        self._refusal: dict[str, Any] | None = None
        self._heard: list[tuple[float, str, Any]] = []
        self._news = asyncio.Event()
        self._answered = asyncio.Event()
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._client.on("connect", self._answered.set)
        self._client.on("connect_error", self._on_refused)
        self._client.on("disconnect", lambda *_reason: self._hear("disconnect", {"callId": self._call_id}))
        self._client.on("*", self._hear)
        self._notice_the_close()

    async def connect(self, url: str, transport: Transport, within: float) -> str:
        """Connects and returns the transport in use. Raises Unreachable, or Unauthorized when the token is refused."""
        try:
            async with asyncio.timeout(within):
                await self._client.connect(url, auth=self._auth, transports=_TRANSPORTS[transport], wait=False)
                await self._answer()
        except (OSError, SocketIOError, TimeoutError) as error:
            if self._refusal is not None:
                refusal = self._refusal.get("message", self._refusal)
                raise Unauthorized(f"the server refused the {self.name}, user {self.user}: {refusal}") from None
            raise Unreachable(f"the {self.name} cannot connect to {url}: {_reason(error, within)}") from None
        return str(self._client.transport())

    async def _answer(self) -> None:
        """Waits for the answer to the CONNECT. Raises SocketIOError unless it let the phone in."""
        await self._answered.wait()
        if not self._client.namespaces:
            raise SocketIOError(_NO_ANSWER)

    async def command(self, event: str, within: float, **fields: Any) -> dict[str, Any]:
        """Sends a command about the call and returns its ack. Raises StepFailed when it is refused or never acked."""
        try:
            ack = await self._client.call(event, {"callId": self._call_id, **fields}, timeout=within)
        except NoAck:
            raise StepFailed(f"{event} of the {self.name} was not acknowledged within {within:g} s") from None
        except SocketIOError as error:
            raise StepFailed(f"{event} of the {self.name} could not be sent: {error}") from None
        if not isinstance(ack, dict) or not ack.get("success"):
            raise StepFailed(f"{event} of the {self.name} was refused: {_refusal(ack)}")
        return ack

    async def hear(self, event: str, within: float) -> float:
        """Waits for an event of the call and returns when it came; one that came before counts.

        Raises StepFailed when it does not come, and says what came instead.
        """
        try:
            async with asyncio.timeout(within):
                while True:
                    for at, name, _ in self._heard:
                        if name == event:
                            return at
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            came = ", ".join(name for _, name, _ in self._heard) or "nothing"
            raise StepFailed(f"the {self.name} did not get {event} within {within:g} s; it got {came}") from None

    async def hang_up(self) -> None:
        """Leaves no call behind: ends it in case it still is, and disconnects. Never raises."""
        if self._client.connected:
            with contextlib.suppress(SocketIOError):
                await self._client.call("call:end", {"callId": self._call_id}, timeout=1)
        await self.disconnect()

    async def disconnect(self) -> None:
        """Closes the connection."""
        await self._client.disconnect()

    def _hear(self, event: str, *payload: Any) -> None:
        first = payload[0] if payload else None
        if isinstance(first, dict) and _bare(first.get("callId")) == _bare(self._call_id):
            self._heard.append((time.perf_counter(), event, first))
            self._news.set()

    def _notice_the_close(self) -> None:
        """Ends the wait for an answer with the transport. The client tells nobody of a close before the answer."""
        handlers = self._client.eio.handlers
        close = handlers["disconnect"]

        async def closed(*reason: Any) -> None:
            await close(*reason)
            self._answered.set()

        handlers["disconnect"] = closed

    def _on_refused(self, answer: Any) -> None:
        self._answered.set()
        if isinstance(answer, dict):  # a CONNECT_ERROR; trouble on the way comes as a text
            self._refusal = answer


def _bare(call_id: object) -> str:
    return str(call_id).removeprefix("CALL_")


def _refusal(ack: object) -> str:
    if not isinstance(ack, dict):
        return f"the ack was {ack!r}"
    if ack.get("useFcmFallback"):
        return "the receiver is not connected"
    code = f" ({ack['code']})" if "code" in ack else ""
    return f"{ack.get('error', ack)}{code}"


def _reason(error: Exception, within: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing happened within {within:g} s"
    return str(error).partition(" ssl:")[0] or type(error).__name__  # aiohttp goes on with details of its own
