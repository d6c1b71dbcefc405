"""The application that the official Engine.IO and Socket.IO conformance suites are run against.

    python examples/protocol_app.py [--port 3000]

`/socket.io/` serves Socket.IO with the namespaces `/` and `/custom`; `/engine.io/` echoes Engine.IO messages.
"""

import argparse
import asyncio
import contextlib
import signal

import uvloop
from aiohttp import web

from onlycare_socket.transport.engine import EngineServer
from onlycare_socket.transport.listener import Listener
from onlycare_socket.transport.namespace import Socket
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.server import SocketServer
from onlycare_socket.transport.session import Session
from onlycare_socket.wire.engineio import Binary

AUTH_DELAY = 0.02
"""Seconds between the answer to a CONNECT and the event `auth`."""


def options(path: str) -> ServerOptions:
    """The settings the suites expect."""
    return ServerOptions(
        path=path,
        ping_interval=0.3,
        ping_timeout=0.2,
        max_payload=1_000_000,
        connect_timeout=1.0,
        allowed_origins=("*",),
    )


class Echo:
    """Sends every Engine.IO message back."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def text(self, packet: bytes) -> None:
        """A text message, with the `4` it begins with."""
        self._session.send(packet)

    def binary(self, data: bytes) -> None:
        """A binary message."""
        self._session.send(Binary(data))

    def alarm(self, now: float) -> None:
        """No alarm is ever set."""

    def closed(self, reason: str) -> None:
        """Nothing to clean up."""


def welcome(socket: Socket, auth: object) -> None:
    """Let everybody in and, a moment later, tell them what they sent.

    The suites listen for one message at a time: a client that reads the answer to its CONNECT and the event behind
    it from one segment would lose the second.
    """
    socket.accept()
    payload = {} if auth is None else auth
    asyncio.get_running_loop().call_later(AUTH_DELAY, socket.emit, "auth", payload)


def answer(socket: Socket, event: str, args: list[object], ack_id: int | None) -> None:
    """Send a message back, or acknowledge it."""
    if event == "message":
        socket.emit("message-back", *args)
    elif event == "message-with-ack" and ack_id is not None:
        socket.ack(ack_id, *args)


def application() -> tuple[web.Application, SocketServer]:
    """Both protocols in one aiohttp application."""
    app = web.Application()
    server = SocketServer(options("/socket.io/"))
    server.namespace("/").on_connect = welcome
    server.namespace("/").on_unknown = answer
    server.namespace("/custom").on_connect = welcome
    server.attach(app)
    EngineServer(options("/engine.io/"), Echo).attach(app)
    return app, server


async def main(host: str, port: int) -> None:
    """Serve until a signal comes."""
    app, server = application()
    listener = Listener(app, host, port, sockets=server)
    try:
        await listener.start()
    except OSError as error:
        raise SystemExit(f"cannot listen on {host}, port {port}: {error.strerror}") from None
    print(f"listening on http://{host}:{listener.port}", flush=True)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    await listener.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--host", default="localhost")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(arguments.host, arguments.port))
