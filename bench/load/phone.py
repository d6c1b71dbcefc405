"""One user's phone: a WebSocket with one Socket.IO socket in the main namespace, on a non-blocking socket."""

import socket
from collections.abc import Callable
from time import perf_counter
from typing import Final

from bench.load.frames import CLOSE, PING, PONG, TEXT, frame, split
from bench.load.loop import WRITE, Loop
from bench.load.outgoing import outgoing, reason
from bench.load.packets import ENGINE_PONG, UPGRADE, connect, pass_over, rewritten, shown
from bench.load.reports import Unexpected

CHUNK: Final = 4_096
"""Bytes read at once; what a phone is sent in a pass is far less."""


class Server:
    """Where phones connect to."""

    def __init__(self, port: int, token_form: str = "dev") -> None:
        self.address = ("127.0.0.1", port)
        self.token_form = token_form
        self.upgrade = self.upgrade_of("")

    def upgrade_of(self, session: str) -> bytes:
        """Returns the request for the WebSocket of a session that began with long polling; `session` as in the URL."""
        return UPGRADE.format(port=self.address[1], session=session).encode()


class Phone:
    """A user who connects, answers heartbeats, and lets the other events pass. What else one does is a subclass."""

    __slots__ = (
        "_connected",
        "_corked",
        "_hear",
        "_request",
        "_rest",
        "_send",
        "_socket",
        "asked",
        "connect_packet",
        "heartbeats",
        "loop",
        "number",
        "server",
        "user",
    )

    def __init__(self, loop: Loop, server: Server, number: int) -> None:
        self.loop, self.server = loop, server
        self.user = f"USR_{number}"
        self.number = number
        self.connect_packet = connect(self.user, server.token_form)
        self._socket: socket.socket | None = None
        self.asked = 0.0
        """When it sent its CONNECT."""
        self.heartbeats = 0

    # What a subclass says about it.

    def hear(self, packet: bytes) -> None:
        """Takes an event or an ack."""
        pass_over(packet, "nothing")

    def lost(self, why: str) -> None:
        """The connection is gone, though nobody here closed it."""
        raise Unexpected(f"{self.user} lost the connection: {why}")

    def greeted(self) -> None:
        """The server sent its handshake: the transport is open."""

    def switched(self) -> None:
        """The connection is a WebSocket now."""

    def otherwise(self, packet: bytes, waiting_for: str) -> None:
        """Takes what did not look as expected: it may only be spaced in another way, or an event that is let pass."""
        same = rewritten(packet)
        if same != packet:
            self.hear(same)
        else:
            pass_over(packet, waiting_for)

    # Connecting, step by step as a Socket.IO client does it.

    def open(self, connected: Callable[[], None]) -> None:
        """Begins to connect; calls `connected` when the server has taken the CONNECT."""
        self._connected = connected
        self._hear = self._greeted
        self._rest = b""
        self._corked: list[bytes] | None = None
        self.upgrade(self.server.upgrade)

    def upgrade(self, request: bytes) -> None:
        """Asks for a WebSocket."""
        self._request = request
        self._socket = outgoing(self.server.address, self.number)
        self._send = self._socket.send
        self.loop.watch(self._socket.fileno(), self._upgraded)
        self._reached()

    def _reached(self) -> None:
        """Sends the request, if the connection is there."""
        assert self._socket is not None
        try:
            self._send(self._request)
        except BlockingIOError:
            self.loop.change(self._socket.fileno(), self._reached, WRITE)
        except ConnectionError as failure:
            self.drop(reason(failure))
        else:
            self.loop.change(self._socket.fileno(), self._upgraded)

    def _upgraded(self) -> None:
        """Reads the answer to the upgrade, behind which the first packets may stand already."""
        data = self._rest + self._received()
        if self._socket is None:
            return
        answer, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            self._rest = data
            return
        if not answer.startswith(b"HTTP/1.1 101"):
            self.drop(f"the server refused the WebSocket: {shown(answer.splitlines()[0])}")
            return
        self._rest = rest
        self.loop.change(self._socket.fileno(), self.read)
        self.switched()
        if rest:
            self._take(b"")

    def _greeted(self, packet: bytes) -> None:
        if packet.startswith(b"0{"):
            self.greeted()
            self.asked = perf_counter()
            self.send(frame(self.connect_packet))
        elif packet.startswith(b"40"):
            self._hear = self.hear
            self._connected()
        elif packet.startswith(b"44"):
            raise Unexpected(f"the server refused {self.user}: {shown(packet)}")
        else:
            pass_over(packet, "the answer to CONNECT")

    # Connected.

    def send(self, framed: bytes) -> None:
        """Sends a frame: at once, or together with others, if several packets are being taken in one go."""
        if self._corked is not None:
            self._corked.append(framed)
            return
        try:
            sent = self._send(framed)
        except BlockingIOError:
            sent = 0
        except ConnectionError:
            return  # The loop reads the end of the connection next, and says so.
        if sent != len(framed):
            # Only a call's few hundred bytes are under way on a connection; its buffers hold a hundred times that.
            raise Unexpected("the server does not read any more")

    def read(self) -> None:
        """Takes what has come. The loop calls it."""
        data = self._received()
        size = len(data)
        # One text frame and nothing else, short or of medium length, as nearly always.
        if size > 3 and data[0] == TEXT and not self._rest:
            if data[1] == size - 2:
                self._hear(data[2:])
                return
            if data[1] == 126 and (data[2] << 8 | data[3]) == size - 4:
                self._hear(data[4:])
                return
        if data:
            self._take(data)

    def _take(self, data: bytes) -> None:
        frames, self._rest = split(self._rest + data)
        self._corked = []
        for first, payload in frames:
            if first == TEXT and len(payload) > 1:
                self._hear(payload)
            else:
                self._control(first, payload)
            if self._socket is None:
                return
        corked, self._corked = self._corked, None
        if corked:
            self.send(b"".join(corked))

    def _control(self, first: int, payload: bytes) -> None:
        """Keeps the connection alive, or sees that it ends."""
        if first == TEXT and payload == b"2":
            self.heartbeats += 1
            self.send(ENGINE_PONG)
        elif first == PING:
            self.send(frame(payload, PONG))
        elif first == CLOSE or (first == TEXT and payload == b"1"):
            self.drop("the server closed it")
        elif first != PONG and not (first == TEXT and payload == b"6"):
            raise Unexpected(f"the server sent a frame that begins with {first:#04x}: {shown(payload)}")

    def _received(self) -> bytes:
        """Returns what was received; nothing when the connection is gone, or when there was nothing after all."""
        assert self._socket is not None
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return b""
        except ConnectionError as failure:
            self.drop(reason(failure))
            return b""
        if not data:
            self.drop("the server closed it")
        return data

    def drop(self, why: str) -> None:
        """Closes the connection as one that is lost."""
        self.close()
        self.lost(why)

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._socket is not None:
            self.loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None
