"""Engine.IO 4: packets, polling payloads and error answers as bytes in, bytes out.

A text packet is its type digit followed by its data, as bytes, on both transports. A binary packet is always a
message; it is held as `Binary` so that each transport can write it its own way: a binary frame on WebSocket, `b`
and base64 in a polling payload. (engine.io-protocol, revision 4.)
"""

import binascii
from collections.abc import Iterable
from enum import Enum

import msgspec

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
PROBE, PROBE_ANSWER = b"2probe", b"3probe"

SEPARATOR = b"\x1e"
PROTOCOL_VERSION = "4"

POLLED_AT_ONCE = 16
"""Packets in the answer of one poll at the most: python-engineio takes more for an attack and leaves (its
`Payload.max_decode_packets`); what is over waits for the next poll, which comes at once."""


class Binary(bytes):
    """The data of a binary message, told from a text packet by its type."""

    __slots__ = ()


Packet = bytes
"""A text packet, or a `Binary`."""


class MalformedPayload(ValueError):
    """The bytes are no Engine.IO packet. The text never holds what the client sent."""


class Refusal(Enum):
    """The answers to a request that opens or uses no session: HTTP status, code and message."""

    UNKNOWN_TRANSPORT = (400, 0, "Transport unknown")
    UNKNOWN_SESSION = (400, 1, "Session ID unknown")
    BAD_HANDSHAKE_METHOD = (400, 2, "Bad handshake method")
    BAD_REQUEST = (400, 3, "Bad request")
    FORBIDDEN = (403, 4, "Forbidden")
    UNSUPPORTED_VERSION = (400, 5, "Unsupported protocol version")
    PAYLOAD_TOO_LARGE = (413, 3, "Bad request")
    UPGRADE_REQUIRED = (426, 3, "Bad request")
    """These two are not of the protocol's list: a bad request, with the status that says why."""
    TOO_MANY_SESSIONS = (503, 4, "Forbidden")
    """Also while the server stops: comes without a body, since some clients take one for a final no."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> bytes:
        """The JSON the client reads; empty when there is nothing for it to read."""
        if self is Refusal.TOO_MANY_SESSIONS:
            return b""
        return msgspec.json.encode({"code": self.code, "message": self.message})


def open_packet(
    sid: str, upgrades: Iterable[str], ping_interval: float, ping_timeout: float, max_payload: int
) -> bytes:
    """The first packet of a session. Times are given in seconds and written in milliseconds."""
    handshake = {
        "sid": sid,
        "upgrades": list(upgrades),
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(ping_timeout * 1000),
        "maxPayload": max_payload,
    }
    return OPEN + msgspec.json.encode(handshake)


def split_payload(body: bytes) -> list[Packet]:
    """The packets in the body of a POST, in order. Raises MalformedPayload on bad UTF-8 or base64, or an empty one."""
    return [_polled(part) for part in body.split(SEPARATOR)]


def _polled(part: bytes) -> Packet:
    if part[:1] == b"b":
        try:
            return Binary(binascii.a2b_base64(part[1:], strict_mode=True))
        except binascii.Error:
            raise MalformedPayload("bad base64") from None
    if not part:
        raise MalformedPayload("empty packet")
    if not is_text(part):
        raise MalformedPayload("bad UTF-8")
    return part


def join_payload(packets: Iterable[Packet]) -> bytes:
    """The body of a polling answer that carries these packets."""
    return SEPARATOR.join(
        b"b" + binascii.b2a_base64(packet, newline=False) if type(packet) is Binary else packet for packet in packets
    )


def is_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
