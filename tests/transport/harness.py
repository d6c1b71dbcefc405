"""A listener on a free port with Socket.IO at /socket.io/ and an Engine.IO echo at /engine.io/, and its clients."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from onlycare_socket.transport.engine import EngineServer
from onlycare_socket.transport.listener import Listener
from onlycare_socket.transport.namespace import Socket
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.server import SocketServer
from onlycare_socket.transport.session import Session
from onlycare_socket.wire.engineio import Binary

WITHIN: Final = 5.0
"""Seconds after which something that does not come counts as missing."""


class Note(msgspec.Struct):
    """The payload of the typed event of these tests."""

    text: str
    number: int = 0


class Echo:
    """Sends every Engine.IO message back."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def text(self, packet: bytes) -> None:
        self.session.send(packet)

    def binary(self, data: bytes) -> None:
        self.session.send(Binary(data))

    def alarm(self, now: float) -> None:
        raise AssertionError("no alarm was set")

    def closed(self, reason: str) -> None:
        pass


class WebSocketClient:
    """A WebSocket that says exactly what a test wants."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, *packets: str | bytes) -> None:
        for packet in packets:
            await (self.socket.send_str(packet) if isinstance(packet, str) else self.socket.send_bytes(packet))

    async def hear(self) -> str | bytes:
        """The next message that is no ping; answers pings."""
        while True:
            message = await self.socket.receive(WITHIN)
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            if message.data != "2":
                data: str | bytes = message.data
                return data
            await self.socket.send_str("3")

    async def expect(self, *packets: str | bytes) -> None:
        for packet in packets:
            heard = await self.hear()
            assert heard == packet

    async def connect(self, auth: str = "") -> "WebSocketClient":
        """Connect to the main namespace."""
        await self.say("40" + auth)
        assert str(await self.hear()).startswith('40{"sid":')
        return self

    async def closed(self) -> int | None:
        """Wait until the server has closed; the close code."""
        while True:
            message = await self.socket.receive(WITHIN)
            if message.type is aiohttp.WSMsgType.CLOSE:
                code: int = message.data
                return code
            if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
                return self.socket.close_code


class Harness:
    """One running listener."""

    def __init__(self, listener: Listener, sockets: SocketServer, echo: EngineServer, http: aiohttp.ClientSession):
        self.listener = listener
        self.sockets = sockets
        self.echo = echo
        self.http = http
        self.writers: list[asyncio.StreamWriter] = []
        self.seen: list[tuple[Any, ...]] = []
        self.accepted: list[Socket] = []
        self.handshakes: list[tuple[Socket, object]] = []
        namespace = sockets.namespace()
        namespace.on_connect = self._connect
        namespace.on_disconnect = lambda socket, reason: self.seen.append(("disconnect", reason))
        namespace.on("note", Note, self._note)
        namespace.on("fail", dict, self._fail)
        namespace.on_invalid = lambda socket, event, args, ack: self.seen.append(("invalid", event, args, ack))
        namespace.on_unknown = lambda socket, event, args, ack: self.seen.append(("unknown", event, args, ack))
        sockets.namespace("/custom")

    def _connect(self, socket: Socket, auth: object) -> None:
        self.accepted.append(socket)
        self.handshakes.append((socket, auth))
        socket.accept()

    def _note(self, socket: Socket, note: Note, ack_id: int | None) -> None:
        self.seen.append(("note", note, ack_id))
        if ack_id is not None:
            socket.ack(ack_id, {"text": note.text})

    def _fail(self, socket: Socket, payload: dict[str, Any], ack_id: int | None) -> None:
        raise RuntimeError("on purpose")

    def url(self, path: str = "/socket.io/", **query: str) -> str:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return f"http://127.0.0.1:{self.listener.port}{path}?{text}"

    def polling(self, sid: str | None = None, path: str = "/socket.io/") -> str:
        rest = {} if sid is None else {"sid": sid}
        return self.url(path, EIO="4", transport="polling", **rest)

    async def open_polling(self, path: str = "/socket.io/") -> str:
        """A new polling session; its id."""
        async with self.http.get(self.polling(path=path)) as response:
            assert response.status == 200
            handshake = json.loads((await response.text())[1:])
        sid: str = handshake["sid"]
        return sid

    async def poll(self, sid: str, path: str = "/socket.io/") -> tuple[int, str]:
        async with self.http.get(self.polling(sid, path)) as response:
            return response.status, await response.text()

    async def post(self, sid: str, body: str | bytes, path: str = "/socket.io/", **more: Any) -> tuple[int, str]:
        headers = {"Content-Type": "text/plain;charset=UTF-8"} | more.pop("headers", {})
        async with self.http.post(self.polling(sid, path), data=body, headers=headers, **more) as response:
            return response.status, await response.text()

    async def websocket(self, sid: str | None = None, path: str = "/socket.io/", **more: Any) -> WebSocketClient:
        """An open WebSocket; for a new session the open packet has been read."""
        rest = {} if sid is None else {"sid": sid}
        url = self.url(path, EIO="4", transport="websocket", **rest)
        client = WebSocketClient(await self.http.ws_connect(url, autoping=False, max_msg_size=0, **more))
        if sid is None:
            assert str(await client.hear()).startswith("0{")
        return client

    async def upgraded(self, path: str = "/socket.io/") -> tuple[str, WebSocketClient]:
        """A session that began on polling and is on WebSocket now."""
        sid = await self.open_polling(path)
        client = await self.websocket(sid, path)
        await client.say("2probe")
        await client.expect("3probe")
        await client.say("5")
        return sid, client

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A plain TCP connection, dropped at the end of the test."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        self.writers.append(writer)
        return reader, writer

    async def until(self, condition: Any) -> None:
        """Wait until `condition()` is true."""
        async with asyncio.timeout(WITHIN):
            while not condition():  # noqa: ASYNC110 - watches another task
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(head_timeout: float = 10.0, **settings: Any) -> AsyncIterator[Harness]:
    """A harness with these ServerOptions, stopped at the end."""
    app = web.Application()
    sockets = SocketServer(ServerOptions(**settings))
    sockets.attach(app)
    echo = EngineServer(ServerOptions(**{**settings, "path": "/engine.io/"}), Echo)
    echo.attach(app)
    listener = Listener(app, "127.0.0.1", 0, sockets=sockets, head_timeout=head_timeout)
    await listener.start()
    async with aiohttp.ClientSession() as http:
        harness = Harness(listener, sockets, echo, http)
        try:
            yield harness
        finally:
            for writer in harness.writers:
                writer.transport.abort()
            await listener.stop()
    assert sockets.sessions == 0
    assert sockets.sockets == 0
