"""Whatever a client sends: no exception, an orderly end, and only whole, allowed events reach the program."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from onlycare_socket.transport.namespace import Socket
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.server import SocketServer
from onlycare_socket.wire.engineio import Binary, Packet
from onlycare_socket.wire.socketio import RESERVED_EVENTS

from .harness import Note

pieces = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "3",
        "4",
        "40",
        "41",
        "42",
        "43",
        "45",
        "46",
        "1-",
        "2-",
        "12",
        "/custom",
        ",",
        "[",
        "]",
        "{",
        "}",
        "null",
        "1e9",
        "\\",
        '"',
        "é",
        '"note"',
        '"other"',
        '"connect"',
        '{"text":"a"}',
        '{"_placeholder":true,"num":0}',
    ]
)
texts = st.lists(pieces, max_size=8).map(lambda parts: "".join(parts).encode())
likely = st.sampled_from(
    [
        b"40",
        b"40/custom",
        b"41",
        b"41/custom",
        b"3",
        b'42["note",{"text":"a"}]',
        b'427["note",{"text":1}]',
        b'42/custom,["other",1]',
        b'451-["note",{"_placeholder":true,"num":0}]',
        b"431[]",
    ]
)
packets = st.one_of(likely, texts, st.binary(max_size=6).map(Binary))


class Recorder:
    """A WebSocket that only remembers."""

    def __init__(self) -> None:
        self.sent: list[Packet] = []
        self.closed = 0

    def send(self, packet: Packet) -> None:
        assert not self.closed
        self.sent.append(packet)

    def send_all(self, packets: Sequence[Packet]) -> None:
        assert not self.closed
        self.sent += packets

    def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        self.closed += 1


async def conversation(said: list[Packet]) -> None:
    server = SocketServer(ServerOptions())
    app = web.Application()
    server.attach(app)
    events: list[tuple[str, Any]] = []
    left: list[Socket] = []
    entered: list[Socket] = []

    def enter(socket: Socket, auth: object) -> None:
        entered.append(socket)
        socket.accept()

    for name in ("/", "/custom"):
        namespace = server.namespace(name)
        namespace.on_connect = enter
        namespace.on_disconnect = lambda socket, reason: left.append(socket)
        namespace.on_invalid = namespace.on_unknown = lambda socket, event, args, ack: events.append((event, args))
    server.namespace().on("note", Note, lambda socket, note, ack: events.append(("note", note)))
    app.freeze()
    await app.startup()
    websocket = Recorder()
    session, _ = server._engine.open("203.0.113.1", websocket)
    for packet in said:
        session.receive(packet)
        await asyncio.sleep(0)
        assert session.closed == bool(websocket.closed)
        assert server.sockets == len(entered) - len(left)
    session.lost("transport close")
    assert websocket.closed <= 1
    assert left == entered or set(left) == set(entered)
    assert len(left) == len(set(left))
    assert all(type(event) is str and event not in RESERVED_EVENTS for event, _ in events)
    await server.close()
    assert server.sockets == server.sessions == 0


@settings(deadline=None, max_examples=200)
@given(st.lists(packets, max_size=12))
def test_any_conversation_ends_orderly(said: list[Packet]) -> None:
    with structlog.testing.capture_logs() as lines:
        asyncio.run(conversation(said))
    assert [line["event"] for line in lines] in ([], ["client rejected"])
