"""RFC 6455 on both engines: frames, fragments, closing; and what a client may do wrong with them."""

import asyncio
import base64
import os
import struct

import pytest

from .harness import WITHIN, Harness, serving

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def client_frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """A masked frame with whatever bits a test wants."""
    first = (0x80 if fin else 0) | reserved | opcode
    if len(data) < 126:
        head = struct.pack("!BB", first, 0x80 | len(data))
    elif len(data) < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, len(data))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(data))
    return head + b"\x00\x00\x00\x00" + data


class RawSocket:
    """A WebSocket by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and data."""
        async with asyncio.timeout(WITHIN):
            first, size = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 15, await self.reader.readexactly(size)

    async def closed_with(self) -> int:
        """The code of the close frame; what comes before it is skipped."""
        while True:
            opcode, data = await self.frame()
            if opcode == CLOSE:
                code: int = struct.unpack("!H", data[:2])[0]
                return code

    async def gone(self) -> None:
        """Wait for the end of the connection."""
        async with asyncio.timeout(WITHIN):
            while await self.reader.read(65536):
                pass


def head(server: Harness, query: str = "EIO=4&transport=websocket", path: str = "/engine.io/", **headers: str) -> bytes:
    """The request that opens a WebSocket."""
    lines = {
        "Host": f"127.0.0.1:{server.listener.port}",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"GET {path}?{query} HTTP/1.1\r\n{text}\r\n".encode()


async def open_raw(server: Harness, early: bytes = b"") -> RawSocket:
    """An open WebSocket on the echo, its open packet read."""
    reader, writer = await server.raw()
    writer.write(head(server) + early)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)
    assert answer.startswith(b"HTTP/1.1 101")
    socket = RawSocket(reader, writer)
    opcode, data = await socket.frame()
    assert (opcode, data[:1]) == (TEXT, b"0")
    return socket


async def test_frames_sent_with_the_request_are_not_lost(server: Harness) -> None:
    socket = await open_raw(server, client_frame(TEXT, b"4early") + client_frame(TEXT, b"4" + b"x" * 5000))
    assert await socket.frame() == (TEXT, b"4early")
    assert await socket.frame() == (TEXT, b"4" + b"x" * 5000)


async def test_a_head_in_pieces_and_a_kept_alive_connection(server: Harness) -> None:
    reader, writer = await server.raw()
    for _ in range(2):
        writer.write(b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)
        size = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(size)
    whole = head(server) + client_frame(TEXT, b"4hello")
    for at in range(0, len(whole), 40):
        writer.write(whole[at : at + 40])
        await asyncio.sleep(0)
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)).startswith(b"HTTP/1.1 101")
    socket = RawSocket(reader, writer)
    await socket.frame()
    assert await socket.frame() == (TEXT, b"4hello")


async def test_fragments_with_a_ping_between_them(server: Harness) -> None:
    socket = await open_raw(server)
    socket.write(
        client_frame(TEXT, b"4he", fin=False),
        client_frame(PING, b"there?"),
        client_frame(CONTINUATION, b"l", fin=False),
        client_frame(CONTINUATION, b"lo"),
        client_frame(BINARY, b"\x01", fin=False),
        client_frame(CONTINUATION, b"\x02"),
    )
    assert await socket.frame() == (PONG, b"there?")
    assert await socket.frame() == (TEXT, b"4hello")
    assert await socket.frame() == (BINARY, b"\x01\x02")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 200_000])
async def test_messages_of_every_length_come_back(engine: str, size: int) -> None:
    async with serving(websocket_engine=engine, max_payload=1_000_000) as server:
        socket = await open_raw(server)
        socket.write(client_frame(TEXT, b"4" + b"x" * size), client_frame(BINARY, b"y" * size))
        assert await socket.frame() == (TEXT, b"4" + b"x" * size)
        assert await socket.frame() == (BINARY, b"y" * size)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([client_frame(TEXT, b"4a", reserved=0x40)], 1002),
        ([client_frame(TEXT, b"4a", reserved=0x20)], 1002),
        ([client_frame(PING, b"", reserved=0x10)], 1002),
        ([client_frame(3, b"")], 1002),
        ([client_frame(11, b"")], 1002),
        ([client_frame(PING, b"x" * 126)], 1002),
        ([client_frame(PING, b"x", fin=False)], 1002),
        ([client_frame(CONTINUATION, b"4a")], 1002),
        ([client_frame(TEXT, b"4a", fin=False), client_frame(TEXT, b"4b")], 1002),
        ([client_frame(TEXT, b"4\xff")], 1007),
        ([client_frame(TEXT, b"4\xed\xa0\x80")], 1007),
        ([client_frame(TEXT, b"4\xe2", fin=False), client_frame(CONTINUATION, b"\x82")], 1007),
        ([client_frame(TEXT, b"4" + b"x" * 65_536)], 1009),
        ([client_frame(TEXT, b"4" + b"x" * 40_000, fin=False), client_frame(CONTINUATION, b"x" * 40_000)], 1009),
        ([client_frame(CLOSE, b"\x03\xe8")], 1000),
        ([client_frame(CLOSE, b"\x0f\xa0")], 4000),
        ([client_frame(CLOSE, b"\x03\xed")], 1002),
        ([client_frame(CLOSE, b"\x03")], 1002),
    ],
)
async def test_the_code_a_connection_is_closed_with(picows: Harness, frames: list[bytes], code: int) -> None:
    socket = await open_raw(picows)
    socket.write(*frames)
    assert await socket.closed_with() == code
    await socket.gone()
    await picows.until(lambda: not picows.echo.sessions)


async def test_a_close_without_a_code_is_answered(server: Harness) -> None:
    socket = await open_raw(server)
    socket.write(client_frame(CLOSE))
    assert await socket.closed_with() == 1000
    await socket.gone()


async def test_a_message_may_not_be_cut_into_endless_pieces() -> None:
    async with serving(packets_per_window=0) as server:
        socket = await open_raw(server)
        socket.write(client_frame(TEXT, b"4", fin=False), *[client_frame(CONTINUATION, b"", fin=False)] * 1001)
        assert await socket.closed_with() == 1009


async def test_a_flood_of_websocket_pings_is_stopped(engine: str) -> None:
    async with serving(websocket_engine=engine, packets_per_window=100) as server:
        socket = await open_raw(server)
        socket.write(*[client_frame(PING, b"x")] * 200)
        await socket.gone()
        await server.until(lambda: server.echo.counters.closed == {"packet budget": 1})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": "h2c"}, 400),
        ({"Connection": "keep-alive"}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Content_Length": "5"}, 400),
    ],
)
async def test_what_is_no_upgrade_is_answered_as_http(server: Harness, headers: dict[str, str], status: int) -> None:
    reader, writer = await server.raw()
    writer.write(head(server, **headers))
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WITHIN)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    if status == 426:
        assert b"Sec-WebSocket-Version: 13" in answer
    assert not server.echo.sessions


async def test_a_post_that_looks_like_an_upgrade_is_refused(server: Harness) -> None:
    reader, writer = await server.raw()
    writer.write(head(server).replace(b"GET", b"POST", 1))
    assert (await asyncio.wait_for(reader.readline(), WITHIN)).startswith(b"HTTP/1.1 400")


async def test_a_client_that_never_reads_is_cut_off(engine: str) -> None:
    """The kernel takes a few megabytes on top of what is queued here."""
    async with serving(websocket_engine=engine, max_queued=100_000) as server:
        socket = await open_raw(server)
        socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
        session = next(iter(server.echo.sessions.values()))
        sent = 0
        while server.echo.sessions and sent < 50_000_000:
            session.send(b"4" + b"x" * 50_000)
            sent += 50_000
            await asyncio.sleep(0)
        assert server.echo.counters.closed == {"slow reader": 1}


async def test_a_client_that_does_not_finish_closing_is_dropped(
    picows: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onlycare_socket.transport.picowssocket.CLOSE_LIMIT", 0.1)
    socket = await open_raw(picows)
    socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
    session = next(iter(picows.echo.sessions.values()))
    hall = picows.echo.hall
    for _ in range(120):  # fills the kernel's buffers and a little of ours
        session.send(b"4" + b"x" * 50_000)
        await asyncio.sleep(0)
        if session.closed:
            break
    session.close()
    assert picows.echo.counters.closed.total() == 1
    await picows.until(lambda: not hall.live)  # type: ignore[union-attr]


async def test_a_connection_that_picows_closes_by_itself_is_dropped(
    picows: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onlycare_socket.transport.picowssocket.CLOSE_LIMIT", 0.1)
    socket = await open_raw(picows)
    socket.write(client_frame(3))
    await picows.until(lambda: not picows.echo.sessions)
    await socket.gone()


async def test_what_one_tick_sends_leaves_in_one_write(picows: Harness) -> None:
    client = await (await picows.websocket()).connect()
    socket = picows.accepted[0]
    written: list[int] = []
    session = socket.session
    assert session.websocket is not None
    send = session.websocket.send_all

    class Counting:
        def send(self, packet: bytes) -> None: ...

        def send_all(self, packets: list[bytes]) -> None:
            written.append(len(packets))
            send(packets)

        def close(self) -> None: ...

        def abort(self) -> None: ...

    real, session.websocket = session.websocket, Counting()  # type: ignore[assignment]
    for number in range(5):
        socket.emit("count", number)
    await client.expect(*[f'42["count",{number}]' for number in range(5)])
    assert written == [5]
    session.websocket = real


async def test_the_server_stops_cleanly_with_everything_open(engine: str) -> None:
    async with serving(websocket_engine=engine) as server:
        client = await (await server.websocket()).connect()
        sid = await server.open_polling()
        await server.post(sid, "40")
        await server.poll(sid)
        poll = asyncio.create_task(server.poll(sid))
        await server.until(lambda: server.sockets.counters.polls == 2)
        stop = asyncio.create_task(server.sockets.close(spread=0.1))
        assert await poll == (200, "1")
        assert await client.closed() == 1006, "no close frame: see WebSocket.close"
        await stop
        assert server.seen == [("disconnect", "server shutting down")] * 2
