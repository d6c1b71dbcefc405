"""What can happen to a call, named for what happened. A command carries the facts that its decision needs.

A user command says who (`user`, from the token, never from the payload), on which device, and by the form of the call
id that he wrote; where a rule asks for it, also which of his devices have a live socket (`here`).
"""

from msgspec import Struct

from onlycare_socket.calls.ids import DeviceId, UserId


class UserCommand(Struct, frozen=True, gc=False):
    """By one of the two users, over a socket."""

    user: UserId
    device: DeviceId
    call_id: str
    shown: str = ""
    """How the backend spells the user."""


class Dial(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:initiate`.

    `name` is the caller's, `socket` the one he dialled on; `receiver_shown` is the backend's spelling of the receiver,
    or the caller's when he was never seen. `sent` is the client's own time (ms), `since_connect` the age of the
    connection (ms).
    `here`: the caller's devices that have a live socket. `over_budget`: he has used up his events for this minute.
    """

    name: str
    receiver: UserId
    receiver_shown: str
    call_type: str
    channel_name: str
    agora_token: str
    sent: int | None = None
    since_connect: int = 0
    over_budget: bool = False
    socket: str = ""
    here: tuple[DeviceId, ...] = ()


class Accept(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:accept`."""


class Decline(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:reject`."""

    reason: str = ""


class Cancel(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:cancel`."""

    reason: str = ""


class HangUp(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:end`. `here`: the user's devices that have a live socket."""

    here: tuple[DeviceId, ...] = ()


class Show(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:ringing`: this device shows the call."""


class AskVideo(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:upgrade`."""


class AnswerVideo(UserCommand, frozen=True, kw_only=True, gc=False):
    """`call:upgrade:response`."""

    accepted: bool
    reason: str = ""


class BackendCommand(Struct, frozen=True, kw_only=True, gc=False):
    """The backend's word (`/api/emit/*`). Parties as the body names them; `*_shown` is the spelling for events."""

    call_id: str
    caller: UserId | None = None
    caller_shown: str = ""
    receiver: UserId | None = None
    receiver_shown: str = ""
    reason: str = ""


class BackendAccepted(BackendCommand, frozen=True, kw_only=True, gc=False):
    """`/api/emit/call-accepted`; without a device the winner stays open."""

    device: DeviceId | None = None


class BackendCancelled(BackendCommand, frozen=True, kw_only=True, gc=False):
    """`/api/emit/call-cancelled`."""


class BackendRejected(BackendCommand, frozen=True, kw_only=True, gc=False):
    """`/api/emit/call-rejected`."""


class BackendEnded(BackendCommand, frozen=True, kw_only=True, gc=False):
    """`/api/emit/call-ended`."""

    ended_by: UserId | None = None


class OperatorEnded(Struct, frozen=True, kw_only=True, gc=False):
    """`POST /api/calls/{id}/end`."""

    call_id: str


class RingExpired(Struct, frozen=True, kw_only=True, gc=False):
    """The ring deadline passed. `can_push`: somebody pushes, and not every push is known to have failed."""

    can_push: bool = True


class CallerGraceExpired(Struct, frozen=True, kw_only=True, gc=False):
    """The caller of a ringing call has been away for the grace. `here`: he has a socket after all."""

    here: bool = False


class CallGraceExpired(Struct, frozen=True, kw_only=True, gc=False):
    """Nobody of an accepted call has had a socket for the grace. `here`: somebody has one after all."""

    here: bool = False


class MaxDurationReached(Struct, frozen=True, kw_only=True, gc=False):
    """The call has lasted as long as calls may."""


class UpgradeExpired(Struct, frozen=True, kw_only=True, gc=False):
    """Nobody answered the wish for video."""


class Arrived(Struct, frozen=True, kw_only=True, gc=False):
    """A device connected, or another of its sockets took over: what did it miss of this call?"""

    user: UserId
    device: DeviceId
    shown: str = ""


class Left(Struct, frozen=True, kw_only=True, gc=False):
    """The last socket of a user closed."""

    user: UserId


class Unheard(Struct, frozen=True, kw_only=True, gc=False):
    """What this device was told went over a connection that was never heard of again."""

    user: UserId
    device: DeviceId
    what: str


class Missed(Struct, frozen=True, kw_only=True, gc=False):
    """The ping after `call:incoming` was not answered: the phone is not really there."""

    user: UserId
    device: DeviceId


DeadlineCommand = RingExpired | CallerGraceExpired | CallGraceExpired | MaxDurationReached | UpgradeExpired
Notice = Arrived | Left | Unheard | Missed
Command = UserCommand | BackendCommand | OperatorEnded | DeadlineCommand | Notice
