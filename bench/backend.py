"""Stands in for Laravel where tokens are verified: `GET /api/v1/users/me`, answered after a while as Laravel does.

    python bench/backend.py --port 8000 --delay-ms 20

It holds whoever asks to the contract (section 1): another method or path is 404, a request without
`Accept: application/json` 406, one whose `Authorization` is not `Bearer <id>|<secret>` 401. A token is worth the user
whose id stands before the bar. `GET /count` says at once how many questions it has answered, by status. One line on
standard output says that it listens, and where.

The protocol is written by hand on the loop's own transports so that a few thousand answers a second, over hundreds
of kept-alive connections, leave the core to the load beside it. It takes heads in pieces and pipelined ones, and
answers in order; bodies are not expected, so a request that announces one is answered 400 and the connection closed.
"""

import argparse
import asyncio
import json
import re
import signal
from collections import Counter, deque
from typing import Final, cast

import uvloop

MAX_HEAD: Final = 16_384
"""Bytes of a request's head at the most."""
MAX_PIPELINED: Final = 1_000
"""Requests of one connection that may wait for their answers."""
END: Final = b"\r\n\r\n"
_TOKEN: Final = re.compile(rb"Bearer ([0-9A-Za-z_.-]{1,128})\|[\x21-\x7e]{1,512}")
_REASONS: Final = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found", 406: b"Not Acceptable"}
_USER: Final = (
    b'{"success":true,"data":{"id":"%(id)b","name":"User %(id)b","gender":"female","email":"%(id)b@example.org",'
    b'"phone":"+910000000000","dob":"1999-01-01","avatar":"avatars/%(id)b.png","coin_balance":120,'
    b'"language":"en","is_verified":true,"created_at":"2026-01-01T00:00:00Z"}}'
)


class Head:
    """The first lines of one request."""

    __slots__ = ("headers", "method", "path", "version")

    def __init__(self, raw: bytes) -> None:
        """Raises ValueError when this is no head of HTTP/1.x."""
        first, *lines = raw.split(b"\r\n")
        self.method, self.path, self.version = first.split(b" ")
        if self.version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise ValueError("not HTTP/1.x")
        self.headers: dict[bytes, bytes] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip():
                raise ValueError("not a header")
            self.headers[name.lower()] = value.strip()

    @property
    def has_body(self) -> bool:
        """Whether more follows than this head."""
        return b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0"

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection stays open after the answer."""
        connection = self.headers.get(b"connection", b"").lower()
        return connection == b"keep-alive" if self.version == b"HTTP/1.0" else connection != b"close"


class Backend:
    """What it knows: how long it takes, and how it has answered so far."""

    def __init__(self, delay: float) -> None:
        """`delay` in seconds."""
        self.delay = delay
        self.answers: Counter[int] = Counter()

    def answer(self, head: Head) -> tuple[int, bytes, float]:
        """Returns status and body of an answer, and the seconds until it is given."""
        if head.method == b"GET" and head.path == b"/count":
            counts = {str(status): count for status, count in sorted(self.answers.items())}
            return 200, json.dumps({"count": self.answers.total(), "by_status": counts}).encode(), 0.0
        status, body = self._verify(head)
        self.answers[status] += 1
        return status, body, self.delay

    def _verify(self, head: Head) -> tuple[int, bytes]:
        if head.method != b"GET" or head.path != b"/api/v1/users/me":
            return 404, b'{"success":false,"message":"Not found."}'
        if head.headers.get(b"accept") != b"application/json":
            return 406, b'{"success":false,"message":"Not acceptable."}'
        token = _TOKEN.fullmatch(head.headers.get(b"authorization", b""))
        if token is None:
            return 401, b'{"success":false,"message":"Unauthenticated."}'
        return 200, _USER % {b"id": token[1]}


class Exchange:
    """One request and its answer, once it is due."""

    __slots__ = ("answer", "last")

    def __init__(self, *, last: bool) -> None:
        self.answer = b""
        self.last = last
        """The connection is closed after it."""


class Asker(asyncio.Protocol):
    """One connection of a server that asks."""

    def __init__(self, backend: Backend, loop: asyncio.AbstractEventLoop) -> None:
        self._backend = backend
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._waiting: deque[Exchange] = deque()
        self._deaf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way to answer."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are no subclasses

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets what was not answered yet."""
        self._transport = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Takes heads, in pieces or several at once."""
        unread = self._unread + data if self._unread else data
        while not self._deaf and (end := unread.find(END)) >= 0:
            self._take(unread[:end])
            unread = unread[end + len(END) :]
        self._unread = b"" if self._deaf else unread
        if len(self._unread) > MAX_HEAD or len(self._waiting) > MAX_PIPELINED:
            self._refuse()

    def _take(self, raw: bytes) -> None:
        try:
            head = Head(raw)
        except ValueError:
            return self._refuse()
        if head.has_body:
            return self._refuse()
        status, body, delay = self._backend.answer(head)
        exchange = Exchange(last=not head.keeps_alive)
        self._deaf = exchange.last
        self._waiting.append(exchange)
        answer = _response(status, body, last=exchange.last)
        if delay:
            self._loop.call_later(delay, self._due, exchange, answer)
        else:
            self._due(exchange, answer)
        return None

    def _refuse(self) -> None:
        """Answers what cannot be understood, and listens no more."""
        self._deaf = True
        self._unread = b""
        self._backend.answers[400] += 1
        exchange = Exchange(last=True)
        self._waiting.append(exchange)
        self._due(exchange, _response(400, b'{"success":false,"message":"Bad request."}', last=True))

    def _due(self, exchange: Exchange, answer: bytes) -> None:
        """Sends every answer that is due, in the order of the questions."""
        exchange.answer = answer
        while self._waiting and self._waiting[0].answer and self._transport is not None:
            first = self._waiting.popleft()
            self._transport.write(first.answer)
            if first.last:
                self._transport.close()


def _response(status: int, body: bytes, *, last: bool) -> bytes:
    connection = b"close" if last else b"keep-alive"
    return b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: %b\r\n\r\n%b" % (
        status,
        _REASONS[status],
        len(body),
        connection,
        body,
    )


async def serve(host: str, port: int, delay: float) -> None:
    """Answers until SIGTERM or SIGINT; port 0 takes any free one."""
    loop = asyncio.get_running_loop()
    backend = Backend(delay)
    server = await loop.create_server(lambda: Asker(backend, loop), host, port, backlog=1024)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"listening on {host}:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    options = parser.parse_args()
    uvloop.run(serve(options.host, options.port, options.delay_ms / 1000))


if __name__ == "__main__":
    main()
