"""A phone that takes down whatever a server sends it, also what no contract knows: python-socketio's client."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any, Final

import socketio
from socketio.exceptions import SocketIOError
from socketio.exceptions import TimeoutError as NoAck

from onlycare_socket.cli.failure import Unreachable
from onlycare_socket.cli.virtual_phone import Transport

_TRANSPORTS: Final = {"upgrade": ["polling", "websocket"], "polling": ["polling"], "websocket": ["websocket"]}
DROPPED: Final = "(connection lost)"
"""Stands among the events when the server closed the connection."""
LONGEST_ANSWER: Final = 12.0
"""Seconds a CONNECT may wait for its answer: a server with a slow backend takes 8 (contract section 1)."""

Arrival = tuple[float, str, Any]
"""When an event came (`time.perf_counter`), its name and its first argument."""


class Phone:
    """One connection of one user, from connect to close."""

    def __init__(self, news: asyncio.Event) -> None:
        """`news` is set whenever something arrives."""
        self.heard: list[Arrival] = []
        self.transport: Transport = "upgrade"
        self.dropped = False
        """Whether the server closed the connection."""
        self._news = news
        self._answer: dict[str, Any] | None = None
        self._answered = asyncio.Event()
        self._leaving = False
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._client.on("connect", self._on_connected)
        self._client.on("connect_error", self._on_refused)
        self._client.on("disconnect", self._on_dropped)
        self._client.on("*", self._hear)
        self._notice_the_close()

    @property
    def connected(self) -> bool:
        """Whether the server has let it in and both sides are still there."""
        return bool(self._client.namespaces)

    async def connect(self, url: str, auth: Mapping[str, Any], transport: Transport) -> dict[str, Any]:
        """Returns how the server answered the CONNECT. Raises Unreachable when there is no server."""
        self.transport = transport
        try:
            async with asyncio.timeout(LONGEST_ANSWER):
                await self._client.connect(url, auth=dict(auth), transports=_TRANSPORTS[transport], wait=False)
                await self._answered.wait()
        except TimeoutError:
            return {"answered": False}
        except (OSError, SocketIOError) as error:
            if self._answer is None:
                reason = str(error).partition(" ssl:")[0] or type(error).__name__
                raise Unreachable(f"cannot connect to {url}: {reason}") from None
        if self.connected:
            return {"connected": True, "transport": str(self._client.transport())}
        return self._answer or {"closed": True}

    async def say(self, event: str, payload: tuple[Any, ...], *, within: float) -> dict[str, Any] | None:
        """Emits an event and returns its ack; None when none came in time. A phone that is gone says nothing."""
        try:
            ack = await self._client.call(event, payload, timeout=within)
        except NoAck:
            return None
        except SocketIOError:
            return {"sent": False}
        return ack if isinstance(ack, dict) else {"ack": ack}

    async def emit(self, event: str, payload: tuple[Any, ...]) -> None:
        """Emits an event without asking for an ack. A phone that is gone says nothing."""
        with contextlib.suppress(SocketIOError):
            await self._client.emit(event, payload)

    async def leave(self) -> None:
        """Disconnects. Never raises."""
        self._leaving = True
        with contextlib.suppress(SocketIOError, OSError, TimeoutError):
            await self._client.disconnect()

    def _hear(self, event: str, *payload: Any) -> None:
        self.heard.append((time.perf_counter(), event, payload[0] if payload else None))
        self._news.set()

    def _on_connected(self) -> None:
        self._answered.set()

    def _on_refused(self, answer: Any) -> None:
        if isinstance(answer, dict):  # a CONNECT_ERROR; trouble on the way comes as a text
            self._answer = {"refused": answer.get("message"), **(answer.get("data") or {})}
            self._answered.set()

    def _on_dropped(self, *_reason: Any) -> None:
        if not self._leaving:
            self.dropped = True
            self._hear(DROPPED)

    def _notice_the_close(self) -> None:
        """Ends the wait for an answer with the transport. The client tells nobody of a close before the answer."""
        handlers = self._client.eio.handlers
        close = handlers["disconnect"]

        async def closed(*reason: Any) -> None:
            await close(*reason)
            self._answered.set()

        handlers["disconnect"] = closed
