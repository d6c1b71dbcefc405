"""What can happen to a call, named for what happened. A command carries the facts that its decision needs.

Those of users stand in `user_commands`; here is what the backend, the operator, the clock and the connections do.
"""

from msgspec import Struct

from onlycare_socket.calls.ids import CallId, DeviceId, UserId
from onlycare_socket.calls.states import Flaw
from onlycare_socket.calls.user_commands import UserCommand


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


class Repair(Struct, frozen=True, kw_only=True, gc=False):
    """The auditor found what must not be. Of two calls of one user, `other` goes on; to that one it `goes_on`."""

    flaw: Flaw
    other: CallId | None = None
    goes_on: bool = False


DeadlineCommand = RingExpired | CallerGraceExpired | CallGraceExpired | MaxDurationReached | UpgradeExpired
Notice = Arrived | Left | Unheard | Missed | Repair
Command = UserCommand | BackendCommand | OperatorEnded | DeadlineCommand | Notice
