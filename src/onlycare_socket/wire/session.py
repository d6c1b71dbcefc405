"""The rules of one Engine.IO session, without a socket or a clock.

    polling --WebSocket opened--> probing --2probe--> probed --5--> websocket
       ^                             |                  |
       +------ WebSocket lost -------+------------------+          any --> closed

A session that starts on WebSocket has only `websocket` and `closed`. What the table does not list is not allowed:
so a second WebSocket on a session that upgrades or has upgraded finds no transition and is closed.

Heartbeat: the server pings, the client answers. At most one ping is outstanding; a pong nobody asked for counts for
nothing. Times are seconds of one monotonic clock, given as arguments.
"""

import math
from enum import Enum
from typing import Final

from onlycare_socket.wire.engineio import CLOSE, MESSAGE, NOOP, PONG, UPGRADE


class Phase(Enum):
    """Where a session's packets travel."""

    POLLING = "polling"
    PROBING = "probing"
    PROBED = "probed"
    WEBSOCKET = "websocket"
    CLOSED = "closed"


CLOSED: Final = Phase.CLOSED
"""The member by itself: every packet asks for it, and `Phase.CLOSED` runs code of the enum each time."""


class Happening(Enum):
    """What can move a session from one phase to another."""

    SOCKET_OPENED = "a WebSocket came with the session's id"
    PROBE = "2probe on that WebSocket"
    UPGRADE = "5 on that WebSocket"
    SOCKET_LOST = "that WebSocket closed, or took too long"
    CLOSE = "either side ended the session"


TRANSITIONS: dict[Phase, dict[Happening, Phase]] = {
    Phase.POLLING: {Happening.SOCKET_OPENED: Phase.PROBING, Happening.CLOSE: Phase.CLOSED},
    Phase.PROBING: {
        Happening.PROBE: Phase.PROBED,
        Happening.SOCKET_LOST: Phase.POLLING,
        Happening.CLOSE: Phase.CLOSED,
    },
    Phase.PROBED: {
        Happening.UPGRADE: Phase.WEBSOCKET,
        Happening.SOCKET_LOST: Phase.POLLING,
        Happening.CLOSE: Phase.CLOSED,
    },
    Phase.WEBSOCKET: {Happening.CLOSE: Phase.CLOSED},
    Phase.CLOSED: {},
}


class Inbound(Enum):
    """What a packet of the client asks for."""

    MESSAGE = "hand it to the application"
    PONG = "the answer to a ping"
    CLOSE = "the client leaves"
    NOTHING = "allowed and without effect"


INBOUND: dict[bytes, Inbound] = {
    MESSAGE: Inbound.MESSAGE,
    PONG: Inbound.PONG,
    CLOSE: Inbound.CLOSE,
    NOOP: Inbound.NOTHING,
    UPGRADE: Inbound.NOTHING,
}
"""By the first byte of a text packet. Any other, and a client's own ping, is malformed."""


class Due(Enum):
    """What a session must do because time has passed."""

    PING = "send a ping"
    PING_TIMEOUT = "close: no pong came"
    UPGRADE_TIMEOUT = "give up the WebSocket that does not finish its upgrade"


class Timing:
    """The times of an endpoint, shared by its sessions. Seconds."""

    __slots__ = ("ping_interval", "ping_timeout", "upgrade_timeout")

    def __init__(self, ping_interval: float, ping_timeout: float, upgrade_timeout: float) -> None:
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.upgrade_timeout = upgrade_timeout


class Machine:
    """Phase and heartbeat of one session."""

    __slots__ = ("phase", "ping_at", "pong_by", "timing", "upgrade_by")

    def __init__(self, timing: Timing, phase: Phase, now: float) -> None:
        self.timing = timing
        self.phase = phase
        self.ping_at = now + timing.ping_interval
        self.pong_by = math.inf
        self.upgrade_by = math.inf

    def step(self, happening: Happening, now: float) -> bool:
        """Move on, and say whether that was allowed. When it was not, nothing changes."""
        phase = TRANSITIONS[self.phase].get(happening)
        if phase is None:
            return False
        self.phase = phase
        upgrading = phase is Phase.PROBING or phase is Phase.PROBED
        if not upgrading:
            self.upgrade_by = math.inf
        elif happening is Happening.SOCKET_OPENED:
            self.upgrade_by = now + self.timing.upgrade_timeout
        return True

    @property
    def ping_outstanding(self) -> bool:
        """Whether a ping was sent that the client has not answered."""
        return self.pong_by != math.inf

    def begin_ping(self, now: float) -> bool:
        """Whether a ping may be sent now; if so its pong is expected from now on."""
        if self.ping_outstanding:
            return False
        self.pong_by = now + self.timing.ping_timeout
        self.ping_at = math.inf
        return True

    def pong(self, now: float) -> None:
        """The client answered. The next ping is one interval away."""
        if self.ping_outstanding:
            self.pong_by = math.inf
            self.ping_at = now + self.timing.ping_interval

    def tick(self, now: float) -> Due | None:
        """The next thing that is due at `now`; ask again until it is None.

        PING_TIMEOUT stays due until the session is closed. A ping counts from when it was due, so that a late tick
        does not give a silent client more time.
        """
        if self.pong_by <= now:
            return Due.PING_TIMEOUT
        if self.ping_at <= now:
            self.begin_ping(self.ping_at)
            return Due.PING
        if self.upgrade_by <= now:
            self.upgrade_by = math.inf
            return Due.UPGRADE_TIMEOUT
        return None

    def next_due(self) -> float:
        """When `tick` has something to say again."""
        return min(self.ping_at, self.pong_by, self.upgrade_by)
