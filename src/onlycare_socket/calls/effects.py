"""What is to be done once a decision is durable. A decision lists its effects in order, the ack of a socket first."""

from enum import StrEnum

from msgspec import Struct

from onlycare_socket.calls.call import Call, Code
from onlycare_socket.calls.ids import CallId, DeviceId, UserId
from onlycare_socket.calls.messages import Event, Reply


class Ack(Struct, frozen=True, gc=False):
    """Answer the command. `offline` is the answer instead when `receiver` has no live socket after the save."""

    reply: Reply
    offline: Reply | None = None
    receiver: UserId | None = None


class Tell(Struct, frozen=True, gc=False):
    """Send an event to devices of one user.

    `device`: only that one, and all others instead when it has no live socket and `else_all` is set; None: all.
    `but`: never these. `counts`: reaching one of them makes the backend's command `emitted`.
    `ringing`: for stopping a ring: only these devices, and the sockets on which this call rang.
    `socket`: rather this one of the device's sockets than the newest. `forms`: devices that write the call id in
    another form than the events do.
    """

    user: UserId
    call: CallId
    events: tuple[Event, ...]
    device: DeviceId | None = None
    else_all: bool = False
    but: tuple[DeviceId, ...] = ()
    ringing: frozenset[DeviceId] | None = None
    counts: bool = False
    socket: str = ""
    forms: tuple[tuple[DeviceId, str], ...] = ()


class Ring(Struct, frozen=True, gc=False):
    """Ring devices of the receiver (`device` None: all), then see whether they are really there, then push.

    `resumed`: the device had it before.
    """

    call: Call
    device: DeviceId | None = None
    resumed: bool = False


class Wake(Struct, frozen=True, gc=False):
    """Push for a device that did not answer its ping."""

    call: Call
    device: DeviceId


class Unpush(Struct, frozen=True, gc=False):
    """Take back the pushes of a call that stopped ringing."""

    call: Call


class ReportKind(StrEnum):
    """What the backend is told; contract section 4 says by which request and when."""

    DECLINED = "declined"
    RING_ENDED = "ring_ended"
    REFUSED = "refused"
    HUNG_UP = "hung_up"
    LOST = "lost"
    ACCEPTED = "accepted"
    ACCEPTED_AFTER_END = "accepted_after_end"


class Report(Struct, frozen=True, gc=False):
    """Tell the backend how a call stands."""

    kind: ReportKind
    call: Call
    code: Code | None = None


Effect = Ack | Tell | Ring | Wake | Unpush | Report
