"""GETs on aiohttp's connections: what is sent, what counts as an answer, and which connections are used again."""

import asyncio
from importlib.metadata import version

import aiohttp
import pytest

from onlycare_socket.adapters.lean_get import LeanGet, Reply
from onlycare_socket.transport.handover import AIOHTTP_VERSION

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire:
    """A server that answers each request with the next bytes of a script, and ends a connection at a None."""

    def __init__(self) -> None:
        self.script: list[bytes | None] = []
        self.heads: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                said = self.script.pop(0)
                if said is None:
                    return
                writer.write(said)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


async def asked(wire: Wire, script: list[bytes | None], *, times: int = 1, most: int = 1000) -> list[Reply]:
    """The answers to some requests, one after the other."""
    wire.script = script
    server = await asyncio.start_server(wire, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    get = LeanGet(f"http://127.0.0.1:{port}/a/b?c=1", {"Accept": "text/plain"}, connections=2, idle=5)
    try:
        async with asyncio.timeout(5):
            return [await get.get(f"Number: {number}", most=most) for number in range(times)]
    finally:
        await get.close()
        server.close()


def test_aiohttp_is_the_version_this_was_written_for() -> None:
    assert version("aiohttp") == AIOHTTP_VERSION, "read adapters/lean_get.py again with the new version"


async def test_what_is_sent_is_a_plain_request_and_the_connection_is_used_again() -> None:
    wire = Wire()
    replies = await asked(wire, [OK, OK], times=2)
    assert [(reply.status, reply.body) for reply in replies] == [(200, b"ok")] * 2
    assert wire.connections == 1
    for number, head in enumerate(wire.heads):
        first, host, *rest = head.split(b"\r\n")
        assert first == b"GET /a/b?c=1 HTTP/1.1"
        assert host.startswith(b"Host: 127.0.0.1:")
        assert rest == [b"Accept: text/plain", b"Number: %d" % number, b"", b""]


async def test_a_connection_closed_while_it_was_idle_is_no_error() -> None:
    wire = Wire()
    replies = await asked(wire, [OK, None, OK], times=2)
    assert [reply.status for reply in replies] == [200, 200]
    assert wire.connections == 2


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    wire = Wire()
    wire.script = [OK, OK.replace(b"ok", b"me")]
    writers: list[asyncio.StreamWriter] = []

    async def remembered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await wire(reader, writer)

    server = await asyncio.start_server(remembered, "127.0.0.1", 0)
    get = LeanGet(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, connections=2, idle=5)
    try:
        async with asyncio.timeout(5):
            assert (await get.get("", most=1000)).body == b"ok"
            [[(kept, _)]] = get._connector._conns.values()
            writers[0].write(OK.replace(b"ok", b"no"))
            while not kept.should_close:  # noqa: ASYNC110 - until it has come
                await asyncio.sleep(0.005)
            assert (await get.get("", most=1000)).body == b"me"
        assert wire.connections == 2
    finally:
        await get.close()
        server.close()


async def test_one_that_is_closed_twice_is() -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await asked(Wire(), [None, None])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    ],
)
async def test_every_way_to_send_a_body(answer: bytes) -> None:
    [reply] = await asked(Wire(), [answer, None])
    assert (reply.status, reply.body) == (200, b"ok")


async def test_a_body_that_ends_with_the_connection() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    get = LeanGet(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, connections=1, idle=5)
    reply = await get.get("", most=10)
    assert (reply.status, reply.body) == (200, b"ok")
    await get.close()
    server.close()


async def test_a_body_over_the_limit_is_left_unread_and_its_connection_not_used_again() -> None:
    wire = Wire()
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    large, small = await asked(wire, [big, OK], times=2, most=99)
    assert large.body is None
    assert small.body == b"ok"
    assert wire.connections == 2


async def test_the_body_of_a_refusal_is_not_read() -> None:
    wire = Wire()
    refusal = b"HTTP/1.1 401 Unauthorized\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nno"
    [reply, _] = await asked(wire, [refusal, OK], times=2)
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (401, b"", "3")
