"""Last words for clients that are between two polls when their session is closed."""

import math
from collections.abc import Sequence

from onlycare_socket.transport.heartbeat import Wheel
from onlycare_socket.wire.engineio import POLLED_AT_ONCE, Packet, join_payload

KEPT = 30.0
"""Seconds until the last packets are dropped; a client that still exists polls much sooner."""

MAX_KEPT = 4 * 1024 * 1024
"""Bytes kept for all closed sessions together. The oldest go first."""


class Farewells:
    """The payloads that closed sessions still get, each once, with their next polls."""

    def __init__(self, wheel: Wheel) -> None:
        self.slot = -1
        self._wheel = wheel
        self._kept: dict[str, tuple[float, list[bytes]]] = {}
        self._size = 0

    def keep(self, sid: str, packets: Sequence[Packet], now: float) -> None:
        """Keep `packets` for one poll, or as many as it takes."""
        parts = range(0, len(packets), POLLED_AT_ONCE)
        payloads = [join_payload(packets[part : part + POLLED_AT_ONCE]) for part in parts]
        self._kept[sid] = (now + KEPT, payloads)
        self._size += sum(map(len, payloads))
        while self._size > MAX_KEPT:
            self._drop(next(iter(self._kept)))
        self._wheel.place(self, now + KEPT)

    def take(self, sid: str) -> bytes | None:
        """The next payload of a closed session, once."""
        if sid not in self._kept:
            return None
        _, payloads = self._kept[sid]
        payload = payloads.pop(0)
        self._size -= len(payload)
        if not payloads:
            del self._kept[sid]
        return payload

    def due(self, now: float) -> float:
        """Drop what nobody fetched."""
        for sid, (limit, _) in list(self._kept.items()):
            if limit > now:
                return limit
            self._drop(sid)
        return math.inf

    def _drop(self, sid: str) -> None:
        _, payloads = self._kept.pop(sid)
        self._size -= sum(map(len, payloads))
