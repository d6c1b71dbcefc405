"""WebSocket frames of a client, no more than a benchmark needs (RFC 6455, section 5).

A client has to mask what it sends. The key here is four times the same byte: masking is then the same wherever a byte
stands, so parts of a frame are masked once, beforehand, and put together later, and a whole payload is one
`bytes.translate`. A key of zeros would save even that, but some servers skip the unmasking then, and would look faster
than they are for a phone's random key.
"""

from typing import Final

KEY_BYTE: Final = 0x5A
KEY: Final = bytes([KEY_BYTE]) * 4
_MASK: Final = bytes(byte ^ KEY_BYTE for byte in range(256))

TEXT: Final = 0x81
"""First byte of a text message in one frame."""
PING: Final = 0x89
PONG: Final = 0x8A
CLOSE: Final = 0x88


def masked(data: bytes) -> bytes:
    """Returns the data as it stands in a client's frame."""
    return data.translate(_MASK)


def head(length: int, first: int = TEXT) -> bytes:
    """Returns what goes before a masked payload of this many bytes; up to 65,535."""
    if length < 126:
        return bytes((first, 0x80 | length)) + KEY
    return bytes((first, 0x80 | 126)) + length.to_bytes(2, "big") + KEY


def frame(payload: bytes, first: int = TEXT) -> bytes:
    """Returns a whole frame."""
    return head(len(payload), first) + masked(payload)


class Template:
    """A text frame that is the same every time but for a piece of constant length."""

    __slots__ = ("_after", "_before")

    def __init__(self, before: str, size: int, after: str) -> None:
        start, end = before.encode(), after.encode()
        self._before = head(len(start) + size + len(end)) + masked(start)
        self._after = masked(end)

    def around(self, piece: bytes) -> bytes:
        """Returns the frame with this piece in it, which is masked already."""
        return self._before + piece + self._after


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Returns the whole frames in what a server sent, each with its first byte, and the rest that is not whole yet."""
    frames = []
    at, end = 0, len(data)
    while end - at >= 2:
        length, start = data[at + 1], at + 2
        if length == 126:
            length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif length == 127:
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        stop = start + length
        if start > end or stop > end:
            break
        frames.append((data[at], data[start:stop]))
        at = stop
    return frames, data[at:]
