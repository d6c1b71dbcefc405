"""What is to be done once a decision is durable. A decision lists its effects in order, the ack of a socket first.

Plain classes, that every call makes a dozen of: compiled they cost a third of a Struct. None is changed once the
decision that made it is there. What may find nobody to hear it is put into words only when it does.
"""

from enum import StrEnum
from typing import Final

from onlycare_socket.calls.call import Call
from onlycare_socket.calls.ids import CallId, DeviceId, UserId
from onlycare_socket.calls.messages import Event, Reply
from onlycare_socket.calls.records import UNSET, replace
from onlycare_socket.calls.words import OFFLINE


class Ack:
    """Answer the command."""

    __slots__ = ("reply",)

    def __init__(self, reply: Reply) -> None:
        self.reply: Final = reply


class AckOfDial(Ack):
    """Answer an initiate of a call that rings: by `offline` if the receiver has no live socket after the save."""

    __slots__ = ("receiver",)

    def __init__(self, reply: Reply, receiver: UserId) -> None:
        super().__init__(reply)
        self.receiver: Final = receiver

    def offline(self) -> Reply:
        """Returns the answer that makes the caller rely on a push."""
        return replace(self.reply, success=False, message=UNSET, error=OFFLINE, use_fcm_fallback=True)


class Tell:
    """Send events to devices of one user.

    `device`: only that one, and all others instead when it has no live socket and `else_all` is set; None: all.
    `but`: never these. `counts`: reaching one of them makes the backend's command `emitted`.
    `ringing`: for stopping a ring: only these devices, and the sockets on which this call rang.
    `socket`: rather this one of the device's sockets than the newest. `forms`: devices that write the call id in
    another form than the events do.
    """

    __slots__ = ("_events", "but", "call", "counts", "device", "else_all", "forms", "ringing", "socket", "user")

    def __init__(
        self,
        user: UserId,
        call: CallId,
        events: tuple[Event, ...],
        device: DeviceId | None = None,
        else_all: bool = False,
        but: tuple[DeviceId, ...] = (),
        ringing: frozenset[DeviceId] | None = None,
        counts: bool = False,
        socket: str = "",
    ) -> None:
        self.user: Final = user
        self.call: Final = call
        self._events: Final = events
        self.device: Final = device
        self.else_all: Final = else_all
        self.but: Final = but
        self.ringing: Final = ringing
        self.counts: Final = counts
        self.socket: Final = socket
        self.forms: tuple[tuple[DeviceId, str], ...] = ()

    def events(self) -> tuple[Event, ...]:
        """Returns what to say, in order; the last one is what a device will have been told."""
        return self._events


class Ring:
    """Ring devices of the receiver (`device` None: all), then see whether they are really there, then push.

    `resumed`: the device had it before.
    """

    __slots__ = ("call", "device", "resumed")

    def __init__(self, call: Call, device: DeviceId | None = None, resumed: bool = False) -> None:
        self.call: Final = call
        self.device: Final = device
        self.resumed: Final = resumed


class Wake:
    """Push for a device that did not answer its ping."""

    __slots__ = ("call", "device")

    def __init__(self, call: Call, device: DeviceId) -> None:
        self.call: Final = call
        self.device: Final = device


class Unpush:
    """Take back the pushes of a call that stopped ringing."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Final = call


class ReportKind(StrEnum):
    """What the backend is told; contract section 4 says by which request and when."""

    DECLINED = "declined"
    RING_ENDED = "ring_ended"
    REFUSED = "refused"
    HUNG_UP = "hung_up"
    LOST = "lost"
    ACCEPTED = "accepted"
    ACCEPTED_AFTER_END = "accepted_after_end"


class Report:
    """Tell the backend how a call stands."""

    __slots__ = ("call", "kind")

    def __init__(self, kind: ReportKind, call: Call) -> None:
        self.kind: Final = kind
        self.call: Final = call


Effect = Ack | Tell | Ring | Wake | Unpush | Report
