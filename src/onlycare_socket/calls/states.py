"""The words in which a call is described: where it is, who is who, how it ended, what its devices do.

A member that stands in the way of every call has a name of its own: compiled, that is read from its place in memory,
while looking a member up in its class, or any name of an uncompiled module, searches a dict.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a call is in its life."""

    RINGING = "ringing"
    ACCEPTED = "accepted"
    ENDED = "ended"


RINGING: Final = State.RINGING
ACCEPTED: Final = State.ACCEPTED
ENDED: Final = State.ENDED


class Code(StrEnum):
    """How a call ended, or why one device was told to stop (contract section 3)."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    CONNECTION_LOST = "connection_lost"
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    DECLINED_ELSEWHERE = "declined_elsewhere"
    BUSY = "busy"
    GLARE = "glare"
    SUPERSEDED = "superseded"
    MAX_DURATION = "max_duration"
    EXPIRED = "expired"
    TERMINATED_BY_SERVER = "terminated_by_server"
    UNAVAILABLE = "unavailable"


COMPLETED: Final = Code.COMPLETED
DECLINED: Final = Code.DECLINED
ANSWERED_ELSEWHERE: Final = Code.ANSWERED_ELSEWHERE
EXPIRED: Final = Code.EXPIRED


class Role(StrEnum):
    """What a user is in a call."""

    CALLER = "caller"
    RECEIVER = "receiver"


CALLER: Final = Role.CALLER
RECEIVER: Final = Role.RECEIVER


class DeadlineKind(StrEnum):
    """The timers of a call; each is a field of `Call` that ends in `_at`."""

    RING = "ring"
    CALLER_GRACE = "caller_grace"
    CALL_GRACE = "call_grace"
    MAX_DURATION = "max_duration"
    UPGRADE = "upgrade"


RING: Final = DeadlineKind.RING
MAX_DURATION: Final = DeadlineKind.MAX_DURATION


class LegState(StrEnum):
    """What one device did, or had done to it, in a call."""

    DIALLED = "dialled"
    OFFERED = "offered"
    PUSHED = "pushed"
    SHOWN = "shown"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    STOPPED = "stopped"


DIALLED: Final = LegState.DIALLED
OFFERED: Final = LegState.OFFERED
ANSWERED: Final = LegState.ACCEPTED
STOPPED: Final = LegState.STOPPED

RINGING_LEGS: Final = frozenset({LegState.OFFERED, LegState.SHOWN})
"""Legs of devices that ring, as far as is known."""
RUNG_LEGS: Final = RINGING_LEGS | {LegState.PUSHED}
"""Legs of devices that may ring."""


class EarlyKind(StrEnum):
    """A command that may overtake its initiate (contract section 2)."""

    ACCEPT = "accept"
    REJECT = "reject"
    CANCEL = "cancel"
    END = "end"


class Flaw(StrEnum):
    """What must never be of a call (`audit.py`)."""

    NO_DEADLINE = "no_deadline"
    TWO_CALLS = "two_calls"
    RINGS_AFTER_END = "rings_after_end"
