"""The call and what belongs to it: frozen records that every store keeps as they are.

A call goes `ringing -> accepted -> ended(code)`, or straight from ringing to ended; ended is final.
Being busy is never stored: a user is busy while a call of his is live, and the live index is derived from
the calls. Deadlines are data in the call, so whoever holds the store can fire them. A leg is the part that
one device plays: what it was offered, what it did, and what it has been told.
"""

from msgspec import Struct

from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId
from onlycare_socket.calls.states import (
    Code,
    EarlyKind,
    LegState,
    State,
)


class Leg(Struct, frozen=True, array_like=True, gc=False):
    """One device's part in a call.

    `accepted` and `ended` say what it was told over a connection that was heard of afterwards;
    `missed` says that it did not answer the ping that followed `call:incoming`.
    """

    user: UserId
    device: DeviceId
    state: LegState
    accepted: bool = False
    ended: bool = False
    missed: bool = False


class Form(Struct, frozen=True, array_like=True, gc=False):
    """The form of the call id that one device writes, where it is another than that of its user."""

    user: UserId
    device: DeviceId
    call_id: str


class Party(Struct, frozen=True, array_like=True, gc=False):
    """One of the two users of a call, with the forms of the ids that he is shown.

    `device` is the one that dialled, or the one that won the call; None while nobody knows.
    """

    user: UserId
    shown: str
    call_id: str
    device: DeviceId | None = None
    name: str = ""


class Call(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """Everything that is known of one call. Times are wall-clock ms; `*_at` deadlines are None when not running."""

    id: CallId
    version: int = 1
    state: State
    caller: Party
    receiver: Party
    call_type: str
    channel_name: str
    agora_token: str
    created: Millis
    accepted: Millis | None = None
    ended: Millis | None = None
    code: Code | None = None
    reason: str = ""
    """The text that the one who ended it gave, if any."""
    ended_by: str | None = None
    refused: bool = False
    """The initiate itself was refused as busy; `winner_call` names the call that won a glare."""
    winner_call: str | None = None
    upgrade_by: UserId | None = None
    legs: tuple[Leg, ...] = ()
    forms: tuple[Form, ...] = ()
    ring_at: Millis | None = None
    caller_grace_at: Millis | None = None
    call_grace_at: Millis | None = None
    max_duration_at: Millis | None = None
    upgrade_at: Millis | None = None

    @property
    def live(self) -> bool:
        """Whether it keeps its parties busy."""
        return self.ended is None

    @property
    def duration(self) -> int | None:
        """How long the parties talked, in ms; None if they did not, or still do."""
        if self.accepted is None or self.ended is None:
            return None
        return max(0, self.ended - self.accepted)


MAX_LEGS = 64
"""Devices that one call keeps track of: a bound, far above what a user owns."""


class Early(Struct, frozen=True, kw_only=True, gc=False):
    """A command on a call that nobody has dialled yet, remembered until its initiate comes.

    It counts when `user` is a party of the initiate, and `caller` and `receiver`, as far as they are named, are its
    own. It takes up the memory of `user`. `device` and `call_id` (the form he wrote) are those of a socket command.
    """

    call: CallId
    user: UserId
    kind: EarlyKind
    until: Millis
    caller: UserId | None = None
    receiver: UserId | None = None
    device: DeviceId | None = None
    call_id: str | None = None
    reason: str = ""

    def meets(self, caller: UserId, receiver: UserId) -> bool:
        """Says whether an initiate of these two is the one it waited for."""
        named = self.caller in (None, caller) and self.receiver in (None, receiver)
        return named and self.user in (caller, receiver)

    def code(self, receiver: UserId) -> Code:
        """Returns how a call to this receiver ends by it."""
        declined = self.kind is EarlyKind.REJECT or (self.kind is EarlyKind.END and self.user == receiver)
        return Code.DECLINED if declined else Code.CANCELLED


class Step(Struct, frozen=True, array_like=True, gc=False):
    """One line of a call's timeline: who did what, from which device, by which channel, or who was told what.

    `told` are the devices of the user `to` on which the event of `detail` was sent.
    """

    at: Millis
    what: str
    by: str = ""
    device: str = ""
    channel: str = ""
    detail: str = ""
    told: tuple[str, ...] = ()
    to: str = ""
