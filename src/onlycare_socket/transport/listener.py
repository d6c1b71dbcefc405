"""The open port: aiohttp's server with limits on slow and stuck connections, and an orderly end.

aiohttp limits the idle time between two requests and nothing else. So the connections that are not yet, or not any
more, in a handler are watched here: a request head that takes too long is cut, and so is a connection that does not
finish closing because its client reads nothing.
"""

import asyncio
import contextlib
import logging
import resource
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import _ErrInfo

from onlycare_socket.transport.door import Door, Take
from onlycare_socket.transport.server import SocketServer

BACKLOG = 4096
"""Connections that may wait to be accepted, if the system allows so many: after a restart all come within seconds."""
LINGER = 2.0
"""Seconds the rest of a refused body is read, so that the client gets to see the answer."""

SHUTDOWN_TIMEOUT = 0.5
"""Seconds that requests in progress may take when the server stops, and again when they have been cancelled.

Both, behind the `EMPTY_LIMIT` of the WebSockets, have to fit into `app.STOP_SLACK`."""


class WatchedHandler(web.RequestHandler):
    """One HTTP connection, with the time since when an unfinished request head has been coming."""

    __slots__ = ("closing_since", "head_since", "watch", "wire")

    def __init__(self, watch: "Watch", manager: web.Server, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self.watch = watch
        self.wire: asyncio.Transport | None = None
        self.head_since: float | None = None
        self.closing_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first head is expected from now on."""
        self.wire = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self.head_since = self._loop.time()
        self.watch.connections.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note when a head begins and when it is complete."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self.head_since = None
            self._drop_tracebacks()
        elif self.head_since is None and self._current_request is None and not self._messages:
            self.head_since = self._loop.time()

    def _drop_tracebacks(self) -> None:
        """Free what aiohttp keeps of a request that is no HTTP: a cycle of frames that hold all the bytes that came."""
        for message, _ in self._messages:
            if isinstance(message, _ErrInfo):
                message.exc.__traceback__ = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone, or has been handed over."""
        self.wire = None
        self.watch.connections.discard(self)
        super().connection_lost(exc)


class Watch:
    """All HTTP connections, looked at a few times within each limit."""

    def __init__(self, head_timeout: float) -> None:
        self.connections: set[WatchedHandler | Door] = set()
        self._head_timeout = head_timeout

    async def run(self) -> None:
        """Look, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._head_timeout / 5)
            self.look(loop.time())

    def look(self, now: float) -> None:
        """Cut the connections that are too slow."""
        for connection in list(self.connections):
            wire = connection.wire
            if wire is None:
                continue
            if connection.closing_since is None and wire.is_closing():
                connection.closing_since = now
            since = connection.closing_since or connection.head_since
            if since is not None and now - since >= self._head_timeout:
                wire.abort()

    def close_doors(self) -> None:
        """Cut the connections that have not said a word: aiohttp knows nothing of them."""
        for connection in list(self.connections):
            if isinstance(connection, Door) and connection.wire is not None:
                connection.wire.abort()


class WatchedServer(web.Server):
    """aiohttp's server, making watched connections."""

    watch: Watch
    take: Take | None

    def __call__(self) -> web.RequestHandler:
        """The protocol of a new connection."""
        if self.take is None:
            return self._handler()
        door = Door(self.take, self._handler, self.watch.connections.discard)
        self.watch.connections.add(door)
        return door  # type: ignore[return-value]  # the loop wants any protocol

    def _handler(self) -> WatchedHandler:
        return WatchedHandler(self.watch, self, loop=self._loop, **self._kwargs)


class WatchedRunner(web.AppRunner):
    """aiohttp's runner, with a watched server."""

    def __init__(self, app: web.Application, watch: Watch, take: Take | None, **settings: Any) -> None:
        super().__init__(app, **settings)
        self._watch = watch
        self._take = take

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = WatchedServer
        assert isinstance(server, WatchedServer)
        server.watch, server.take = self._watch, self._take
        return server


class Listener:
    """One TCP port that serves an aiohttp application, WebSockets included."""

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        sockets: SocketServer | None = None,
        head_timeout: float = 10.0,
        keepalive: float = 75.0,
    ) -> None:
        """Times in seconds: for one request head to arrive, and for a connection to idle between requests.

        `sockets` is closed, spread over time, before the rest stops; it must have been attached to `app`.
        """
        self.port = port
        """The real port, once started."""
        self._host = host
        self._sockets = sockets
        self._watch = Watch(head_timeout)
        self._watching: asyncio.Task[None] | None = None
        self._runner = WatchedRunner(
            app,
            self._watch,
            None if sockets is None else sockets.take,
            access_log=None,
            handler_cancellation=True,  # a client that hangs up on its poll is noticed at once
            keepalive_timeout=keepalive,
            lingering_time=LINGER,
            shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        self._site: web.TCPSite | None = None

    async def start(self) -> None:
        """Open the port. Raises OSError as it comes, so EADDRINUSE when the port is taken."""
        raise_file_limit()
        quiet_aiohttp()
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, self._host, self.port, backlog=BACKLOG)
        try:
            await self._site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        self._watching = asyncio.get_running_loop().create_task(self._watch.run())

    async def stop(self, spread: float = 0.0) -> None:
        """Close the sockets, evenly over `spread` seconds, then the port and every other connection.

        While the sockets close, HTTP is answered as before, so that a monitor sees the drain and a client between two
        polls gets its last packets; new sessions are refused.
        """
        if self._sockets is not None:
            await self._sockets.close(spread)
        if self._site is not None:
            await self._site.stop()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        self._watch.close_doors()
        await self._runner.cleanup()


def raise_file_limit() -> None:
    """Let the process open as many sockets as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def quiet_aiohttp() -> None:
    """Keep aiohttp from logging a traceback for every malformed request; the faults of handlers are still logged."""
    logging.getLogger("aiohttp.server").addFilter(_NO_CLIENT_FAULTS)


class _NoClientFaults(logging.Filter):
    """Drops what a client did wrong."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        fault = record.exc_info[1] if record.exc_info else None
        return not isinstance(fault, HttpProcessingError | ConnectionError)


_NO_CLIENT_FAULTS = _NoClientFaults()
