"""Binary attachments of Socket.IO events and acks: taken out when sending, put back when receiving.

In the JSON each attachment is `{"_placeholder":true,"num":0}`; the data follows in binary messages, in that order.
Every announced attachment must be named exactly once, so that nothing can be multiplied by naming it twice.
"""

from collections.abc import Iterable
from typing import Any

from onlycare_socket.wire.socketio import (
    ROOT,
    Header,
    MalformedPacket,
    address_prefix,
    parse_arguments,
    to_json,
)

_PLAIN = frozenset({str, int, float, bool, type(None)})
"""What most arguments are made of, and what holds nothing."""


class Assembly:
    """A binary packet whose attachments are still coming."""

    __slots__ = ("arguments", "header", "left", "parts")

    def __init__(self, header: Header, packet: bytes, max_size: int) -> None:
        """`max_size`: bytes of all attachments together. Raises MalformedPacket."""
        self.header = header
        self.arguments = parse_arguments(packet[header.body :])
        self.parts: list[bytes] = []
        self.left = max_size

    @property
    def complete(self) -> bool:
        """Whether all attachments are there."""
        return len(self.parts) == self.header.attachments

    def add(self, data: bytes) -> None:
        """Take the next attachment. Raises MalformedPacket when it is too much."""
        self.left -= len(data)
        if self.left < 0:
            raise MalformedPacket("attachments too large")
        self.parts.append(data)

    def restore(self) -> list[Any]:
        """The arguments with the attachments in their places. Raises MalformedPacket on a wrong placeholder."""
        unused: dict[int, bytes] = dict(enumerate(self.parts))
        try:
            arguments = [_restored(value, unused) for value in self.arguments]
        except RecursionError:
            raise MalformedPacket("nested too deep") from None
        if unused:
            raise MalformedPacket("attachment without a placeholder")
        return arguments


def _restored(value: Any, unused: dict[int, bytes]) -> Any:
    if type(value) is list:
        return [_restored(item, unused) for item in value]
    if type(value) is not dict:
        return value
    if value.get("_placeholder") is not True:
        return {key: _restored(item, unused) for key, item in value.items()}
    number = value.get("num")
    if type(number) is not int or number not in unused:
        raise MalformedPacket("placeholder out of range")
    return unused.pop(number)


def binary_packet(
    kind: int, arguments: list[object], *, namespace: str = ROOT, ack_id: int | None = None
) -> tuple[bytes, list[bytes]]:
    """A BINARY_EVENT or BINARY_ACK packet and its attachments, in sending order."""
    attachments: list[bytes] = []
    body = to_json(_removed(arguments, attachments))
    return b"4%d%d-" % (kind, len(attachments)) + address_prefix(namespace, ack_id) + body, attachments


def holds_bytes(value: object) -> bool:
    """Whether there are bytes to send as attachments. Looks into lists, tuples and dicts, not into Structs."""
    kind = type(value)
    if kind in _PLAIN:
        return False
    if kind is dict:
        items: Iterable[object] = value.values()  # type: ignore[attr-defined]
    elif kind is list or kind is tuple:
        items = value  # type: ignore[assignment]
    else:
        return isinstance(value, bytes | bytearray | memoryview)
    return any(type(item) not in _PLAIN and holds_bytes(item) for item in items)


def _removed(value: object, attachments: list[bytes]) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, dict):
        return {key: _removed(item, attachments) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_removed(item, attachments) for item in value]
    return value
