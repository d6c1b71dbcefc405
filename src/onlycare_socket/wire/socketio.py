"""Socket.IO 5: packets as bytes in, bytes out.

A packet here is a whole Engine.IO message:
`4 type [attachments "-"] ["/namespace" ","] [ack id] [JSON]`. (socket.io-protocol, revision 5.)

Whatever a client may send wrong raises MalformedPacket; its text never holds what the client sent.
"""

import json
import re
from typing import Any, Final, NamedTuple

import msgspec

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)

ROOT: Final = "/"
MAX_ATTACHMENTS = 10

RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Names the libraries use for their own happenings: a client that sends one is refused."""

_HEADER = re.compile(rb"([0-6])(?:([0-9]{1,10})-)?(?:(/[^,]{0,255})(?:,|\Z))?([0-9]{1,16})?")
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class MalformedPacket(ValueError):
    """The bytes are no Socket.IO packet, or one that no client may send."""


class Header(NamedTuple):
    """What stands before a packet's JSON."""

    type: int
    attachments: int
    namespace: str
    ack_id: int | None
    body: int
    """Where the JSON begins; the end of the packet when there is none."""


def parse_header(packet: bytes) -> Header:
    """The header of a message that came. Raises MalformedPacket."""
    match = _HEADER.match(packet, 1)
    if match is None:
        raise MalformedPacket("unknown packet type")
    kind = int(match[1])
    binary = kind in (BINARY_EVENT, BINARY_ACK)
    if binary != (match[2] is not None):
        raise MalformedPacket("attachment count missing or out of place")
    attachments = int(match[2]) if binary else 0
    if attachments > MAX_ATTACHMENTS:
        raise MalformedPacket("too many attachments")
    ack_id = None if match[4] is None else int(match[4])
    if ack_id is not None and kind in (CONNECT, DISCONNECT, CONNECT_ERROR):
        raise MalformedPacket("ack id out of place")
    if ack_id is None and kind in (ACK, BINARY_ACK):
        raise MalformedPacket("ack id missing")
    return Header(kind, attachments, match[3].decode() if match[3] else ROOT, ack_id, match.end())


def parse_json(data: bytes) -> Any:
    """The value written in `data`. Raises MalformedPacket, also for nesting too deep to follow."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedPacket("bad JSON") from None


def parse_arguments(data: bytes) -> list[Any]:
    """The JSON array written in `data`. Raises MalformedPacket."""
    arguments = parse_json(data)
    if type(arguments) is not list:
        raise MalformedPacket("not an array")
    return arguments


def split_event(arguments: list[Any]) -> tuple[str, list[Any]]:
    """The name of an event and its arguments. Raises MalformedPacket when a client may not send it."""
    if not arguments or type(arguments[0]) is not str:
        raise MalformedPacket("event without a name")
    name = arguments[0]
    if name in RESERVED_EVENTS:
        raise MalformedPacket("reserved event name")
    return name, arguments[1:]


def event_packet(name: str, *args: object, namespace: str = ROOT, ack_id: int | None = None) -> bytes:
    """An EVENT packet, as `42["call:incoming",{...}]`. The arguments may be Structs or msgspec.Raw."""
    prefix = b"42" if namespace is ROOT and ack_id is None else b"42" + address_prefix(namespace, ack_id)
    return prefix + to_json((name, *args))


def ack_packet(ack_id: int, *args: object, namespace: str = ROOT) -> bytes:
    """An ACK packet, as `4312[{"success":true}]`."""
    prefix = b"43%d" % ack_id if namespace is ROOT else b"43" + address_prefix(namespace, ack_id)
    return prefix + to_json(args)


def connect_packet(sid: str, namespace: str = ROOT) -> bytes:
    """The server's answer to a CONNECT it accepts."""
    return b"40" + address_prefix(namespace, None) + to_json({"sid": sid})


def connect_error_packet(message: str, data: object = None, namespace: str = ROOT) -> bytes:
    """The server's answer to a CONNECT it refuses; `data` is left out when it is None."""
    error: dict[str, object] = {"message": message}
    if data is not None:
        error["data"] = data
    return b"44" + address_prefix(namespace, None) + to_json(error)


def disconnect_packet(namespace: str = ROOT) -> bytes:
    """Takes the client out of the namespace, for good: most client libraries do not come back after it."""
    return b"41" + address_prefix(namespace, None)


def to_json(value: object) -> bytes:
    """The value as JSON. Integers wider than 64 bits, which a client may have sent, go the slow way."""
    try:
        return _encode(value)
    except OverflowError:
        plain = msgspec.to_builtins(value, builtin_types=(bytes,))
        return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def address_prefix(namespace: str, ack_id: int | None) -> bytes:
    place = b"" if namespace == ROOT else namespace.encode() + b","
    return place if ack_id is None else place + b"%d" % ack_id
