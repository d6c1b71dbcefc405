"""Last words for clients that are between two polls when their session is closed."""

import math

from onlycare_socket.transport.heartbeat import Wheel

KEPT = 30.0
"""Seconds until the last packets are dropped; a client that still exists polls much sooner."""

MAX_KEPT = 4 * 1024 * 1024
"""Bytes kept for all closed sessions together. The oldest go first."""


class Farewells:
    """The payloads that closed sessions still get, each once, with their next poll."""

    def __init__(self, wheel: Wheel) -> None:
        self.slot = -1
        self._wheel = wheel
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._size = 0

    def keep(self, sid: str, payload: bytes, now: float) -> None:
        """Keep `payload` for one poll."""
        self._kept[sid] = (now + KEPT, payload)
        self._size += len(payload)
        while self._size > MAX_KEPT:
            self.take(next(iter(self._kept)))
        self._wheel.place(self, now + KEPT)

    def take(self, sid: str) -> bytes | None:
        """The payload of a closed session, once."""
        _, payload = self._kept.pop(sid, (0.0, None))
        self._size -= len(payload or b"")
        return payload

    def due(self, now: float) -> float:
        """Drop what nobody fetched."""
        for sid, (limit, _) in list(self._kept.items()):
            if limit > now:
                return limit
            self.take(sid)
        return math.inf
