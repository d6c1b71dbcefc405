"""python-socketio's client, on every way in."""

import asyncio
from typing import Any

import pytest
import socketio

from .harness import Harness, serving


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
async def test_a_conversation(server: Harness, transports: list[str]) -> None:
    client = socketio.AsyncClient(reconnection=False)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    client.on("hello", heard.put)
    client.on("data", lambda data: (data, b"\x07"))
    url = f"http://127.0.0.1:{server.listener.port}"
    await client.connect(url, auth={"token": "1"}, transports=transports)
    try:
        assert client.transport() == transports[-1]
        socket, auth = server.handshakes[-1]
        assert auth == {"token": "1"}
        assert await client.call("note", {"text": "a"}, timeout=5) == {"text": "a"}
        socket.emit("hello", {"n": 1})
        assert await asyncio.wait_for(heard.get(), 5) == {"n": 1}
        assert await socket.request("data", b"\x01\x02", timeout=5) == [b"\x01\x02", b"\x07"]
        await client.emit("other", {"bin": b"\x03"})
        await server.until(lambda: server.seen[-1] == ("unknown", "other", [{"bin": b"\x03"}], None))
    finally:
        await client.disconnect()
    await server.until(lambda: server.seen[-1][0] == "disconnect")


async def test_a_heartbeat_keeps_it() -> None:
    async with serving(ping_interval=0.1, ping_timeout=0.2) as server:
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(f"http://127.0.0.1:{server.listener.port}", transports=["websocket"])
        session = server.accepted[0].session
        await server.until(lambda: session.packets_in > 5)
        assert client.connected
        await client.disconnect()
