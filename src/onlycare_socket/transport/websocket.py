"""What the two WebSocket engines have in common: who they talk to, and frames as bytes (RFC 6455)."""

from collections.abc import Callable, Sequence
from typing import Protocol

from onlycare_socket.wire.engineio import Binary, Packet

NORMAL = 1000
PROTOCOL_ERROR, BAD_TEXT, TOO_BIG, INTERNAL_ERROR = 1002, 1007, 1009, 1011

MAX_FRAGMENTS = 1_000
"""Frames one message may be cut into."""


class WebSocket(Protocol):
    """One open WebSocket, as a session sees it. None of its methods raises when the connection is gone."""

    def send(self, packet: Packet) -> None:
        """Write a packet. A client that does not read is cut off, not waited for."""

    def send_all(self, packets: Sequence[Packet]) -> None:
        """Write the packets in one go."""

    def close(self) -> None:
        """End the connection after what was sent has left, without a close frame; a client that stalls is aborted.

        Without one because the Android library (engine.io-client-java on OkHttp) is not told of a close frame it did
        not ask for: it would think itself connected until its ping timeout, 45 s. The end of the stream every client
        notices at once. A client's own close frame is answered, and so is a breach of RFC 6455, with its code.
        """

    def abort(self) -> None:
        """Drop the connection at once."""


class Receiver(Protocol):
    """Where a WebSocket's happenings go."""

    def receive(self, packet: Packet) -> None:
        """A whole message came."""

    def spend(self, size: int) -> bool:
        """Count a frame that is no message against the client's budget; False when the client has been closed."""
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        """The connection is gone, by whomever. Comes exactly once, also after `close` and `abort`."""


Accept = Callable[[WebSocket], Receiver]
"""Called once when the upgrade has been answered; gives the receiver of all that follows."""


def frame(packet: Packet) -> bytes:
    """One unfragmented, unmasked frame, as servers send them: text, or binary for a `Binary`."""
    opcode = 0x82 if type(packet) is Binary else 0x81
    size = len(packet)
    if size < 126:
        return bytes((opcode, size)) + packet
    if size < 65536:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + packet
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + packet


def frames(packets: Sequence[Packet]) -> bytes:
    """The frames of several packets, for one write."""
    return b"".join(map(frame, packets))
