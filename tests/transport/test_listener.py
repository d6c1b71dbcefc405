"""The port: slow heads, idle and stuck connections, an orderly end."""

import asyncio
import errno
import gc

import aiohttp
import pytest
from aiohttp import web

from onlycare_socket.transport.listener import Listener, WatchedHandler

from .harness import serving


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Everything until the end of the connection."""
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("sent", [b"", b"GET /socket.io/?EIO=4", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_slow_first_head_is_cut(sent: bytes) -> None:
    async with serving(head_timeout=0.1) as server:
        client = await (await server.websocket()).connect()
        reader, writer = await server.raw()
        writer.write(sent)
        assert await ended(reader) == b""
        await client.say('421["note",{"text":"a"}]')
        await client.expect('431[{"text":"a"}]')


async def test_a_slow_later_head_is_cut_but_an_idle_connection_is_not() -> None:
    async with serving(head_timeout=0.1) as server:
        idle, slow = await server.raw(), await server.raw()
        request = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        for reader, writer in (idle, slow):
            writer.write(request)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404")
            await reader.readexactly(len("404: Not Found"))
        slow[1].write(b"GET / HT")
        assert await ended(slow[0]) == b""
        idle[1].write(request)
        assert (await idle[0].readline()).startswith(b"HTTP/1.1 404")


async def test_a_head_that_comes_in_time_in_pieces_is_served() -> None:
    async with serving(head_timeout=2.0) as server:
        reader, writer = await server.raw()
        for piece in (b"GET /nowhere HT", b"TP/1.1\r\nHo", b"st: x\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.01)
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")


async def test_a_waiting_poll_is_no_slow_head() -> None:
    async with serving(head_timeout=0.1, ping_interval=0.6) as server:
        sid = await server.open_polling()
        assert await server.poll(sid) == (200, "2")


async def test_a_port_in_use_is_said_as_it_is() -> None:
    async with serving() as server:
        second = Listener(web.Application(), "127.0.0.1", server.listener.port)
        with pytest.raises(OSError) as caught:
            await second.start()
        assert caught.value.errno == errno.EADDRINUSE


async def test_nothing_is_left_after_a_stop() -> None:
    before = len(asyncio.all_tasks())
    async with serving() as server:
        await (await server.websocket()).connect()
        await server.open_polling()
        await server.raw()
        hall = server.sockets._engine.hall
    assert not hall.live  # type: ignore[union-attr]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before


async def test_a_connection_that_does_not_finish_closing_is_dropped() -> None:
    """A refused request is closed by the server; this client neither reads the answer nor closes."""
    async with serving(head_timeout=0.1) as server:
        app_watch = server.listener._watch
        _, writer = await server.raw()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"PUT /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.until(lambda: server.sockets.counters.refused.total() == 1)
        await server.until(lambda: not app_watch.connections)


async def test_the_fault_of_a_handler_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: web.Request) -> web.Response:
        raise RuntimeError("on purpose")

    app = web.Application()
    app.router.add_get("/", fail)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{listener.port}/") as response:
        assert response.status == 500
    await listener.stop()
    assert [record for record in caplog.records if record.exc_info]


async def test_malformed_http_is_answered_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
            reader, writer = await server.raw()
            writer.write(garbage)
            assert b"400" in (await ended(reader))[:20]
    assert not [record for record in caplog.records if record.exc_info]


async def test_malformed_http_leaves_nothing_for_the_collector() -> None:
    async with serving() as server:
        gc.collect()
        gc.disable()
        try:
            reader, writer = await server.raw()
            writer.write(b"GET / HTTP/1.1\r\nno header line\r\n\r\n")
            assert b"400" in (await ended(reader))[:20]
            writer.transport.abort()
            await server.until(lambda: not any(isinstance(each, WatchedHandler) for each in gc.get_objects()))
        finally:
            gc.enable()
