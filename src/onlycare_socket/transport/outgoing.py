"""What the sessions have to say, until the loop's tick ends: then one write for each takes all of it.

A packet is written at once neither when it is sent nor when its handler returns, since what answers one event is often
two packets for one connection, and a write costs more than all else on a packet's way out.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from onlycare_socket.transport.counters import Counters

if TYPE_CHECKING:
    from onlycare_socket.transport.session import Session

log = structlog.get_logger("onlycare_socket.transport")


class Outgoing:
    """The sessions of one endpoint that have something to say."""

    __slots__ = ("_counters", "_sessions", "call_soon")

    def __init__(self, counters: Counters, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._counters = counters
        self._sessions: list[Session] = []
        self.call_soon = call_soon
        """The loop's, once it runs."""

    def add(self, session: "Session") -> None:
        """Have what `session` has queued written when the work of this tick is done."""
        if not self._sessions:
            self.call_soon(self.flush)
        self._sessions.append(session)

    def flush(self) -> None:
        """Write it all now. A fault ends the session it happened in, and no other."""
        sessions, self._sessions = self._sessions, []
        packets = size = 0
        for session in sessions:
            try:
                websocket, queued = session.websocket, session.queued
                if websocket is not None and len(queued) == 1:  # nearly always
                    packet = queued.pop()
                    packets += 1
                    size += len(packet)
                    websocket.send(packet)
                else:
                    session.flush()
            except Exception:  # the others of this tick are not called again
                log.exception("session could not be flushed", address=session.address)
                session.fail()
        self._counters.packets_out += packets
        self._counters.bytes_out += size
