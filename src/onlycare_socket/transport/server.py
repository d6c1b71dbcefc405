"""The Socket.IO server: namespaces on top of an Engine.IO endpoint."""

import asyncio
from collections.abc import Callable, Iterable

from aiohttp import web

from onlycare_socket.transport.client import SocketClient
from onlycare_socket.transport.counters import Counters
from onlycare_socket.transport.engine import EngineServer
from onlycare_socket.transport.namespace import Namespace, Socket
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.session import Session
from onlycare_socket.wire.socketio import ROOT


class SocketServer:
    """Serves Socket.IO at one path of an aiohttp application.

        server = SocketServer(ServerOptions())
        server.namespace().on("hello", dict, say_hello)
        server.attach(app)

    A client that connects to a namespace nobody made is refused with `Invalid namespace`.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.namespaces: dict[str, Namespace] = {}
        self.sockets = 0
        """Accepted sockets now, in all namespaces."""
        self._engine = EngineServer(options, self._welcome)

    def namespace(self, name: str = ROOT) -> Namespace:
        """The namespace of that name, made if need be."""
        if name not in self.namespaces:
            self.namespaces[name] = Namespace(name)
        return self.namespaces[name]

    def attach(self, app: web.Application) -> None:
        """Serve `options.path` of `app`."""
        self._engine.attach(app)

    def take(self, transport: asyncio.Transport, began: bytes) -> bool:
        """Take a new connection whose first bytes are a plain WebSocket upgrade that is let in; False for any other."""
        return self._engine.take(transport, began)

    @property
    def counters(self) -> Counters:
        """What has been done since the start."""
        return self._engine.counters

    @property
    def sessions(self) -> int:
        """Open Engine.IO sessions, with and without sockets."""
        return len(self._engine.sessions)

    def watch_heartbeats(self, watch: Callable[[Callable[[], None]], None]) -> None:
        """Have every turn of the heartbeats carried out by `watch`, which may measure it."""
        self._engine.wheel.watch = watch

    def broadcast(self, sockets: Iterable[Socket], packet: bytes) -> None:
        """Send one packet, encoded once by `wire.socketio`, to many sockets of its namespace."""
        for socket in sockets:
            socket.send(packet)

    async def close(self, spread: float = 0.0) -> None:
        """Close every transport, evenly over `spread` seconds; open polls end at once. No DISCONNECT is sent."""
        await self._engine.close(spread)

    def _welcome(self, session: Session) -> SocketClient:
        return SocketClient(self, session)
