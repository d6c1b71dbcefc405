"""What a program sees of Socket.IO: a namespace with its handlers, and the sockets connected to it."""

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from onlycare_socket.transport.session import Session
from onlycare_socket.wire import socketio
from onlycare_socket.wire.binary import binary_packet, holds_bytes
from onlycare_socket.wire.engineio import Binary

if TYPE_CHECKING:
    from onlycare_socket.transport.client import SocketClient

T = TypeVar("T")

ID_BYTES = 15
"""120 bits of randomness in a socket's id."""


class Socket:
    """One client in one namespace: an Engine.IO session may carry several, one for each namespace."""

    __slots__ = ("_acks", "_client", "_last_ack", "connected", "data", "id", "namespace", "session")

    def __init__(self, client: "SocketClient", namespace: "Namespace") -> None:
        self.id = secrets.token_urlsafe(ID_BYTES)
        self.session: Session = client.session
        self.namespace = namespace
        self.data: Any = None
        """The program's own."""
        self.connected = False
        """Whether it was accepted and has not gone."""
        self._client = client
        self._last_ack = 0
        self._acks: dict[int, asyncio.Future[list[object]]] | None = None

    @property
    def address(self) -> str:
        """The client's address, as the trusted proxies tell it."""
        return self.session.address

    @property
    def transport(self) -> str:
        """`polling` or `websocket`, as it is now."""
        return self.session.transport

    def accept(self) -> None:
        """Let the client in. No effect when it has left meanwhile."""
        self._client.accept(self)

    def refuse(self, message: str, data: object = None) -> None:
        """Answer the CONNECT with an error. Most client libraries then give up for good."""
        self._client.refuse(self, message, data)

    def emit(self, event: str, *args: object) -> None:
        """Send an event. Bytes among the arguments travel as attachments."""
        self._emit(event, args, None)

    def send(self, packet: bytes) -> None:
        """Send a packet that `wire.socketio` has encoded, for this namespace."""
        if self.connected:
            self.session.send(packet)

    def ack(self, ack_id: int, *args: object) -> None:
        """Answer an event of the client that asked for it."""
        if holds_bytes(args):
            self._send_binary(socketio.BINARY_ACK, list(args), ack_id)
        else:
            self.send(socketio.ack_packet(ack_id, *args, namespace=self.namespace.name))

    def request(self, event: str, *args: object, timeout: float) -> asyncio.Future[list[object]]:
        """Send an event and get the arguments of the client's ack.

        The future fails with TimeoutError after `timeout` seconds and with ConnectionError when the socket goes.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[object]] = loop.create_future()
        if not self.connected:
            answer.set_exception(ConnectionError("the socket is not connected"))
            return answer
        self._last_ack += 1
        ack_id = self._last_ack
        if self._acks is None:
            self._acks = {}
        self._acks[ack_id] = answer
        timer = loop.call_later(timeout, self._give_up, ack_id)
        answer.add_done_callback(lambda _: timer.cancel())
        self._emit(event, args, ack_id)
        return answer

    def close(self, reason: str = "server close") -> None:
        """Close the transport, and with it every socket on it. The client's library comes back by itself."""
        self.session.close(reason)

    def disconnect(self) -> None:
        """Take the client out of the namespace with a DISCONNECT packet. Its library does not come back."""
        self._client.disconnect(self)

    def acked(self, ack_id: int, arguments: list[object]) -> None:
        """The client has answered a `request`. Unknown and late answers have no effect."""
        answer = self._acks.pop(ack_id, None) if self._acks is not None else None
        if answer is not None and not answer.done():
            answer.set_result(arguments)

    def gone(self) -> None:
        """The socket has left its namespace: fail what still waits for an answer."""
        self.connected = False
        acks, self._acks = self._acks, None
        for answer in (acks or {}).values():
            if not answer.done():
                answer.set_exception(ConnectionError("the socket has gone"))

    def _emit(self, event: str, args: tuple[object, ...], ack_id: int | None) -> None:
        if holds_bytes(args):
            self._send_binary(socketio.BINARY_EVENT, [event, *args], ack_id)
        else:
            self.send(socketio.event_packet(event, *args, namespace=self.namespace.name, ack_id=ack_id))

    def _send_binary(self, kind: int, arguments: list[object], ack_id: int | None) -> None:
        packet, attachments = binary_packet(kind, arguments, namespace=self.namespace.name, ack_id=ack_id)
        if self.connected:
            self.session.send(packet)
            for attachment in attachments:
                self.session.send(Binary(attachment))

    def _give_up(self, ack_id: int) -> None:
        answer = self._acks.pop(ack_id, None) if self._acks is not None else None
        if answer is not None and not answer.done():
            answer.set_exception(TimeoutError("the client did not answer"))


Handler = Callable[[Socket, T, int | None], None]
"""Gets the socket, the payload and the ack id, None when the client asked for no ack."""

Untyped = Callable[[Socket, str, list[object], int | None], None]
"""Gets the socket, the event's name, all its arguments and the ack id."""


class Event(Generic[T]):
    """A registered event: its payload is decoded from the packet's bytes in one step."""

    __slots__ = ("decode", "handler", "payload")

    def __init__(self, payload: type[T], handler: Handler[T]) -> None:
        self.payload = payload
        self.handler = handler
        self.decode = msgspec.json.Decoder(payload).decode


class Namespace:
    """The handlers of one namespace. Set them before the server starts.

    Handlers are plain functions, called on the event loop in the order the packets came; they may not block. An
    exception in one is logged and leaves the socket open.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: dict[bytes, Event[Any]] = {}
        self.on_connect: Callable[[Socket, object], None] = lambda socket, auth: socket.accept()
        """A client wants in. `auth` is what its CONNECT carried, None if nothing. Must accept, refuse or close the
        socket, now or later."""
        self.on_disconnect: Callable[[Socket, str], None] = lambda socket, reason: None
        """An accepted socket has gone, and why. Comes once."""
        self.on_invalid: Untyped = _ignore
        """A registered event whose first argument does not fit its type."""
        self.on_unknown: Untyped = _ignore
        """An event that nobody registered."""

    def on(self, event: str, payload: type[T], handler: Handler[T]) -> None:
        """Have `handler` called for `event`, with its first argument as a `payload`; further ones are ignored."""
        if event in socketio.RESERVED_EVENTS:
            raise ValueError(f"{event} is a reserved event name")
        self.events[event.encode()] = Event(payload, handler)


def _ignore(socket: Socket, event: str, args: list[object], ack_id: int | None) -> None:
    """Events nobody asked for have no effect."""
