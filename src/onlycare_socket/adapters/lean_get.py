"""GETs of one address, on aiohttp's connections and with its parser, without what a session does for each request.

A token is asked about for every phone that comes back after a restart, and `ClientSession.get` (redirects, cookies,
header rules, tracing, a writer and a response object) was the largest part of an authenticated connect. What stays
aiohttp's is what is hard: names, TLS, the pool with its limit and its waiting, and reading answers. That uses parts
that aiohttp does not document (`ClientRequest`, `Connection.protocol`); it is pinned exactly, and a test fails on any
other version.
"""

from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from msgspec import Struct
from yarl import URL

CHUNK: Final = 16_384
NO_LIMIT: Final = aiohttp.ClientTimeout(total=None)
"""The caller's limit covers all of it."""


class Reply(Struct, frozen=True):
    """What came back. `body` is None when it is over the limit, and empty when it was not asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class LeanGet:
    """Asks one address, with one more header each time."""

    def __init__(self, url: str, headers: Mapping[str, str], *, connections: int, idle: float) -> None:
        """`connections` at one time, kept for `idle` seconds. To be made on the running loop."""
        self._connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=idle)
        address = URL(url)
        self._request = ClientRequest("GET", address)  # says where to connect; it is never sent itself
        host = self._request.headers["Host"]
        lines = [f"GET {address.raw_path_qs} HTTP/1.1", f"Host: {host}"]
        self._head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())]).encode()

    async def close(self) -> None:
        """Closes the connections; a request on its way fails."""
        await self._connector.close()

    async def get(self, line: str, *, most: int) -> Reply:
        """Returns the answer to a GET with one more header line, or none when `line` is empty.

        Reads the body of a 200, `most` bytes of it. `line` holds printable ASCII only. Raises aiohttp.ClientError,
        OSError and, for an answer that is no HTTP, HttpProcessingError. A connection that the other side closed while
        it was idle is no error: it is asked once more.
        """
        head = b"%b\r\n%b\r\n" % (self._head, f"{line}\r\n".encode("ascii") if line else b"")
        try:
            return await self._once(head, most)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if self._connector.closed or isinstance(error, aiohttp.ClientConnectorError):
                raise
            return await self._once(head, most)

    async def _once(self, head: bytes, most: int) -> Reply:
        connection = await self._connector.connect(self._request, [], NO_LIMIT)
        try:
            reply = await _exchange(connection, head, most)
        except BaseException:
            connection.close()
            raise
        if reply.body is None:
            connection.close()
        else:
            connection.release()  # closes it instead when something is left unread, or the other side wants that
        return reply


async def _exchange(connection: Connection, head: bytes, most: int) -> Reply:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:  # what came unasked answers nobody's question
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    transport.write(head)
    status = 100
    while 100 <= status < 200 and status != 101:  # words in between, RFC 9110 section 15.2
        message, content = await protocol.read()
        status = message.code
    return Reply(status, message.headers, await _body(content, most) if status == 200 else b"")


async def _body(content: aiohttp.StreamReader, most: int) -> bytes | None:
    """Returns the body, or None when it is over the limit: then no more of it is read."""
    pieces = bytearray()
    while not content.at_eof():
        pieces += await content.read(CHUNK)
        if len(pieces) > most:
            return None
    return bytes(pieces)
