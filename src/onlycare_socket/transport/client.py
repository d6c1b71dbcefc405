"""Socket.IO on one session: packets of the client to the sockets of its namespaces.

The way of a call is `text`: two cuts give ack id and event name, one decode makes the payload, the handler is called.
All else, and all that is wrong, goes the careful way behind it.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from onlycare_socket.transport.namespace import Socket
from onlycare_socket.transport.session import Session
from onlycare_socket.wire import socketio
from onlycare_socket.wire.binary import Assembly
from onlycare_socket.wire.socketio import ROOT, Header, MalformedPacket

if TYPE_CHECKING:
    from onlycare_socket.transport.server import SocketServer

log = structlog.get_logger("onlycare_socket.transport")

_EVENT: Final = b"42"
_LONGEST: Final = len(_EVENT) + 16
"""Bytes of an event's type and ack id at the most."""
_END_OF_ARRAY: Final = ord("]")


class SocketClient:
    """The sockets of one session."""

    __slots__ = ("_assembly", "_assembly_by", "_connect_by", "_others", "_root", "_server", "session")

    def __init__(self, server: "SocketServer", session: Session) -> None:
        self.session = session
        self._server = server
        self._root: Socket | None = None
        self._others: dict[str, Socket] | None = None
        self._assembly: Assembly | None = None
        self._assembly_by = math.inf
        self._connect_by = math.inf
        self._await_connect()

    # From the session.

    def text(self, packet: bytes) -> None:
        """A text message."""
        root = self._root
        if root is None or not root.connected or self._assembly is not None or not self._typed(root, packet):
            self._guarded(self._packet, packet)

    def binary(self, data: bytes) -> None:
        """A binary message: the next attachment of a packet that announced some."""
        self._guarded(self._attachment, data)

    def alarm(self, now: float) -> None:
        """Something did not come in time."""
        if self._assembly_by <= now:
            self.session.reject("attachment timeout")
        elif self._connect_by <= now:
            self.session.reject("connect timeout")
        else:
            self._set_alarm()

    def closed(self, reason: str) -> None:
        """The session is over."""
        sockets = self._sockets()
        self._root = self._others = self._assembly = None
        for socket in sockets:
            self._left(socket, reason)

    # From sockets.

    def accept(self, socket: Socket) -> None:
        """Let a waiting socket in."""
        if socket.connected or self._find(socket.namespace.name) is not socket:
            return
        socket.connected = True
        self._server.sockets += 1
        self.session.send(socketio.connect_packet(socket.id, socket.namespace.name))

    def refuse(self, socket: Socket, message: str, data: object) -> None:
        """Answer a waiting socket with an error, and forget it."""
        if socket.connected or self._find(socket.namespace.name) is not socket:
            return
        self._remove(socket)
        self.session.send(socketio.connect_error_packet(message, data, socket.namespace.name))

    def disconnect(self, socket: Socket) -> None:
        """Tell a client that its socket is taken out of the namespace, and forget it."""
        if self._find(socket.namespace.name) is not socket:
            return
        self.session.send(socketio.disconnect_packet(socket.namespace.name))
        self._remove(socket)
        self._left(socket, "server namespace disconnect")

    # The hot path.

    def _typed(self, socket: Socket, packet: bytes) -> bool:
        """Whether this was an event that could be decoded in one step, and was handled."""
        head, _, rest = packet.partition(b'",')
        kind, _, name = head.partition(b'["')
        event = socket.namespace.events.get(name)
        if event is None or kind[:2] != _EVENT or not kind.isdigit() or len(kind) > _LONGEST:
            return False
        if packet[-1] != _END_OF_ARRAY:
            return False
        try:
            payload = event.decode(rest[:-1])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        try:
            event.handler(socket, payload, int(kind[2:]) if len(kind) > 2 else None)
        except Exception as fault:  # noqa: BLE001 - logged there
            self._failed(event.handler, fault)
        return True

    # The careful way.

    def _guarded(self, take: Callable[[bytes], None], data: bytes) -> None:
        try:
            take(data)
        except MalformedPacket:
            self._assembly = None
            self.session.reject("parse error")

    def _packet(self, packet: bytes) -> None:
        if self._assembly is not None:
            raise MalformedPacket("an attachment was announced")
        header = socketio.parse_header(packet)
        if header.type == socketio.CONNECT:
            self._connect(header, packet)
        elif header.type == socketio.DISCONNECT:
            self._disconnect(header, packet)
        elif header.type in (socketio.EVENT, socketio.ACK):
            self._arrived(header, socketio.parse_arguments(packet[header.body :]))
        elif header.type == socketio.CONNECT_ERROR:
            raise MalformedPacket("only the server refuses")
        else:
            self._socket(header)
            self._assembly = Assembly(header, packet, self._server.options.max_payload)
            self._assembly_by = self.session.last_packet + self._server.options.attachment_timeout
            self._assembled()
            self._set_alarm()

    def _attachment(self, data: bytes) -> None:
        if self._assembly is None:
            raise MalformedPacket("no attachment was announced")
        self._assembly.add(data)
        self._assembled()

    def _assembled(self) -> None:
        assembly = self._assembly
        if assembly is not None and assembly.complete:
            self._assembly, self._assembly_by = None, math.inf
            self._arrived(assembly.header, assembly.restore())

    def _arrived(self, header: Header, arguments: list[Any]) -> None:
        socket = self._socket(header)
        if header.type in (socketio.ACK, socketio.BINARY_ACK):
            assert header.ack_id is not None
            socket.acked(header.ack_id, arguments)
            return
        name, arguments = socketio.split_event(arguments)
        namespace = socket.namespace
        event = namespace.events.get(name.encode())
        if event is None:
            self._call(namespace.on_unknown, socket, name, arguments, header.ack_id)
            return
        try:
            payload = msgspec.convert(arguments[0], event.payload)
        except (msgspec.ValidationError, IndexError):
            self._call(namespace.on_invalid, socket, name, arguments, header.ack_id)
        else:
            self._call(event.handler, socket, payload, header.ack_id)

    def _connect(self, header: Header, packet: bytes) -> None:
        if self._find(header.namespace) is not None:
            raise MalformedPacket("connected already")
        auth = socketio.parse_json(packet[header.body :]) if header.body < len(packet) else None
        namespace = self._server.namespaces.get(header.namespace)
        if namespace is None:
            error = socketio.connect_error_packet("Invalid namespace", namespace=header.namespace)
            self.session.send(error)
            return
        socket = Socket(self, namespace)
        if header.namespace == ROOT:
            self._root = socket
        else:
            self._others = {**(self._others or {}), header.namespace: socket}
        self._connect_by = math.inf
        self._set_alarm()
        if not self._call(namespace.on_connect, socket, auth):
            socket.close("server error")

    def _disconnect(self, header: Header, packet: bytes) -> None:
        if header.body < len(packet):
            raise MalformedPacket("a DISCONNECT carries nothing")
        socket = self._find(header.namespace)
        if socket is not None:
            self._remove(socket)
            self._left(socket, "client namespace disconnect")

    # Inside.

    def _call(self, handler: Callable[..., None], *args: object) -> bool:
        """Whether the program's handler ran without an exception."""
        try:
            handler(*args)
        except Exception as fault:  # noqa: BLE001 - logged there
            self._failed(handler, fault)
            return False
        return True

    def _failed(self, handler: Callable[..., None], fault: Exception) -> None:
        if isinstance(fault, RecursionError):  # what the client sent was as deep as it could just be read
            self.session.reject("parse error")
        else:
            log.error("handler failed", handler=getattr(handler, "__qualname__", repr(handler)), exc_info=fault)

    def _socket(self, header: Header) -> Socket:
        socket = self._find(header.namespace)
        if socket is None or not socket.connected:
            raise MalformedPacket("not connected to this namespace")
        return socket

    def _find(self, namespace: str) -> Socket | None:
        if namespace == ROOT:
            return self._root
        return self._others.get(namespace) if self._others is not None else None

    def _sockets(self) -> list[Socket]:
        first = [] if self._root is None else [self._root]
        return first if self._others is None else [*first, *self._others.values()]

    def _remove(self, socket: Socket) -> None:
        if socket.namespace.name == ROOT:
            self._root = None
        elif self._others is not None:
            self._others.pop(socket.namespace.name, None)
        if not self._sockets():
            self._await_connect()

    def _left(self, socket: Socket, reason: str) -> None:
        was_connected = socket.connected
        socket.gone()
        if was_connected:
            self._server.sockets -= 1
            self._call(socket.namespace.on_disconnect, socket, reason)

    def _await_connect(self) -> None:
        self._connect_by = self.session.engine.time() + self._server.options.connect_timeout
        self._set_alarm()

    def _set_alarm(self) -> None:
        self.session.set_alarm(min(self._connect_by, self._assembly_by))
