"""The proxy does to connections what its name for it says, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from .proxy import Proxy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets; `ends` says how its connections ended."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.got = b""
        self.mute = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                self.got += data
                if not self.mute:
                    writer.write(data)
            self.ends.append("closed")
        except ConnectionResetError:
            self.ends.append("reset")
        finally:
            writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    proxy = Proxy()
    proxy.target = server.sockets[0].getsockname()[1]
    await proxy.start()
    yield proxy
    await proxy.stop()
    server.close()


@asynccontextmanager
async def line(proxy: Proxy) -> AsyncIterator[Line]:
    """A connection through the proxy that has been used once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await said(reader, writer, b"hello") == b"hello"
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Returns what comes back."""
    writer.write(data)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(data))


def port_of(writer: asyncio.StreamWriter) -> int:
    port: int = writer.get_extra_info("sockname")[1]
    return port


async def until(echo: Echo, ends: list[str]) -> None:
    async with asyncio.timeout(5):
        while echo.ends != ends:  # noqa: ASYNC110 (the other end is a server of the standard library)
            await asyncio.sleep(0.01)


async def test_it_carries_much_both_ways(proxy: Proxy) -> None:
    async with line(proxy) as (reader, writer):
        much = bytes(range(256)) * 4_000
        assert await said(reader, writer, much) == much


async def test_the_end_of_a_connection_is_carried_behind_what_was_sent(proxy: Proxy, echo: Echo) -> None:
    async with line(proxy) as (_, writer):
        echo.mute = True
        writer.write(b" and good bye")
        writer.close()
        await until(echo, ["closed"])
        assert echo.got == b"hello and good bye"
        assert proxy.links == {}


async def test_a_reset_reaches_both_ends(proxy: Proxy, echo: Echo) -> None:
    async with line(proxy) as (reader, _):
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await until(echo, ["reset"])


async def test_only_the_phones_named_are_reset(proxy: Proxy) -> None:
    async with line(proxy) as (_, one), line(proxy) as (reader, other):
        assert proxy.reset([port_of(one)]) == 1
        assert await said(reader, other, b"still here") == b"still here"


async def test_a_silent_connection_carries_nothing_and_stays_open(proxy: Proxy, echo: Echo) -> None:
    async with line(proxy) as (reader, writer):
        assert proxy.silence() == 1
        writer.write(b"is anybody there?")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(1)
        assert (echo.got, echo.ends) == (b"hello", [])


async def test_the_end_of_a_silent_connection_is_not_carried(proxy: Proxy, echo: Echo) -> None:
    async with line(proxy) as (_, writer):
        proxy.silence()
        writer.transport.abort()
        await asyncio.sleep(0.2)
        assert echo.ends == []


async def test_new_connections_pass_while_old_ones_are_silent(proxy: Proxy) -> None:
    async with line(proxy):
        proxy.silence()
        async with line(proxy) as (reader, writer):
            assert await said(reader, writer, b"from another network") == b"from another network"


async def test_a_delay_counts_in_both_directions(proxy: Proxy) -> None:
    async with line(proxy) as (reader, writer):
        proxy.delay = 0.2
        began = time.monotonic()
        await said(reader, writer, b"slow")
        assert 0.39 < time.monotonic() - began < 2.0


async def test_what_comes_after_a_delay_stays_behind_what_was_held_up(proxy: Proxy) -> None:
    async with line(proxy) as (reader, writer):
        proxy.delay = 0.2
        writer.write(b"first ")
        await asyncio.sleep(0.05)
        proxy.delay = 0.0
        writer.write(b"second")
        async with asyncio.timeout(5):
            assert await reader.readexactly(12) == b"first second"


async def test_a_server_that_is_not_there_resets_the_phone(proxy: Proxy) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    proxy.target = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
