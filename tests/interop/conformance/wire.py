"""The two protocols from a client's side, by hand: HTTP requests, WebSocket frames, and nothing that hides them."""

import asyncio
import json
from typing import Any, Final

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

PING_INTERVAL: Final = 0.3
"""Seconds; the settings of the server under test, which it announces in milliseconds."""
PING_TIMEOUT: Final = 0.2
MAX_PAYLOAD: Final = 1_000_000
SEPARATOR: Final = "\x1e"
"""Between the packets of a polling payload (Engine.IO protocol, "Packet encoding")."""
_WITHIN: Final = 5.0
"""Seconds after which what does not come counts as missing."""


class Wire:
    """Requests to one Engine.IO path of the server under test."""

    def __init__(self, http: ClientSession, server: str, path: str) -> None:
        self.path = path
        self._http = http
        self._url = server + path

    async def request(self, method: str = "GET", body: str | None = None, **query: str) -> tuple[int, str]:
        """Returns status and body of a plain HTTP request with this query."""
        async with self._http.request(method, self._url, params=query, data=body) as answer:
            return answer.status, await answer.text()

    async def handshake(self) -> dict[str, Any]:
        """Opens a session by polling; returns what the server announces."""
        status, body = await self.request(EIO="4", transport="polling")
        assert (status, body[:1]) == (200, "0")
        announced: dict[str, Any] = json.loads(body[1:])
        return announced

    async def session(self) -> str:
        """Opens a session by polling; returns its id."""
        return str((await self.handshake())["sid"])

    async def poll(self, sid: str) -> tuple[int, str]:
        """Returns status and body of one long poll."""
        return await self.request(EIO="4", transport="polling", sid=sid)

    async def post(self, sid: str, payload: str) -> tuple[int, str]:
        """Sends packets by polling; returns status and body."""
        return await self.request("POST", payload, EIO="4", transport="polling", sid=sid)

    async def websocket(self, **query: str) -> "Frames":
        """Opens a WebSocket; raises WSServerHandshakeError when the server answers with anything but 101."""
        query = query or {"EIO": "4", "transport": "websocket"}
        return Frames(await self._http.ws_connect(self._url, params=query, autoclose=False))

    async def beside(self, sid: str) -> "Frames":
        """Opens a WebSocket for a session that was opened by polling."""
        return await self.websocket(EIO="4", transport="websocket", sid=sid)

    async def upgrade(self, sid: str) -> "Frames":
        """Takes a session from polling to a WebSocket: probe, answer, upgrade."""
        frames = await self.beside(sid)
        await frames.send("2probe")
        assert await frames.receive() == "3probe"
        await frames.send("5")
        return frames

    async def refuses_websocket(self, **query: str) -> bool:
        """Says whether a WebSocket with this query is refused, or closed before anything is said on it."""
        try:
            frames = await self.websocket(**query)
        except WSServerHandshakeError:
            return True
        return await frames.ends()


class Frames:
    """The messages of one WebSocket."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: str | bytes) -> None:
        """Sends one message, text or binary."""
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def receive(self) -> str | bytes:
        """Returns the next message."""
        message = await self._socket.receive(_WITHIN)
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), f"the WebSocket ended: {message}"
        data: str | bytes = message.data
        return data

    async def text(self, *, pings: bool = False) -> str:
        """Returns the next text message; the server's pings are passed over unless they are asked for."""
        while True:
            message = await self.receive()
            assert isinstance(message, str), message
            if pings or message != "2":
                return message

    async def binary(self) -> bytes:
        """Returns the next message that is no ping; it must be a binary one."""
        message = await self.receive()
        while message == "2":
            message = await self.receive()
        assert isinstance(message, bytes), message
        return message

    async def announced(self) -> dict[str, Any]:
        """Returns what the server announces as it opens the session."""
        packet = await self.text()
        assert packet[:1] == "0"
        announced: dict[str, Any] = json.loads(packet[1:])
        return announced

    async def ends(self) -> bool:
        """Says whether the server closes this WebSocket without a word other than pings."""
        while True:
            message = await asyncio.wait_for(self._socket.receive(), _WITHIN)
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return True
            if message.data != "2":
                return False
