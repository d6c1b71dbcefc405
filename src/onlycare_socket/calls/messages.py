"""Everything that is said to and by clients, as typed structs: payloads, acks and events.

Contract sections 2 and 3. A field that is not known is left out (UNSET), never null. Times are ms since 1970.
"""

from typing import ClassVar

from msgspec import UNSET, Struct, UnsetType

# ---------------------------------------------------------------- payloads of clients


class InitiatePayload(Struct, frozen=True, gc=False, rename="camel"):
    """`call:initiate`."""

    receiver_id: str
    call_id: str
    call_type: str
    channel_name: str
    agora_token: str
    timestamp: int | float | UnsetType = UNSET


class CallPayload(Struct, frozen=True, gc=False, rename="camel"):
    """`call:accept`, `call:end`, `call:ringing`, `call:upgrade`: which call."""

    call_id: str


class ReasonPayload(Struct, frozen=True, gc=False, rename="camel"):
    """`call:reject`, `call:cancel`: which call, and why."""

    call_id: str
    reason: str | UnsetType = UNSET


class UpgradeAnswerPayload(Struct, frozen=True, gc=False, rename="camel"):
    """`call:upgrade:response`."""

    call_id: str
    accepted: bool
    reason: str | UnsetType = UNSET


class SyncPayload(Struct, frozen=True, gc=False):
    """`call:sync`: nothing."""


class WatchPayload(Struct, frozen=True, rename="camel", gc=False):
    """`presence:watch`: whom to hear of, instead of the former list."""

    user_ids: list[str]


# ---------------------------------------------------------------- acks


class Reply(Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """The ack of a command."""

    success: bool
    call_id: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    busy: bool | UnsetType = UNSET
    use_fcm_fallback: bool | UnsetType = UNSET
    winner_call_id: str | UnsetType = UNSET
    duplicate: bool | UnsetType = UNSET
    expires_at: int | UnsetType = UNSET


class SyncCall(Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """One call in the ack of `call:sync`."""

    call_id: str
    role: str
    peer_id: str
    call_type: str
    state: str
    timestamp: int
    code: str | UnsetType = UNSET
    expires_at: int | UnsetType = UNSET


class SyncReply(Struct, frozen=True, rename="camel", gc=False):
    """The ack of `call:sync`."""

    success: bool
    server_time: int
    calls: tuple[SyncCall, ...]


class WatchReply(Struct, frozen=True, gc=False):
    """The ack of `presence:watch`: the ids as they were asked for."""

    success: bool
    online: dict[str, bool]


# ---------------------------------------------------------------- events


class Event(Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """An event to a client; `name` is its Socket.IO name."""

    name: ClassVar[str]


class Incoming(Event, frozen=True, gc=False):
    """The phone rings."""

    name: ClassVar[str] = "call:incoming"
    call_id: str
    caller_id: str
    caller_name: str
    call_type: str
    channel_name: str
    agora_token: str
    timestamp: int
    expires_at: int
    agora_app_id: str | UnsetType = UNSET
    balance_time: str | UnsetType = UNSET
    resumed: bool | UnsetType = UNSET


class Accepted(Event, frozen=True, gc=False):
    """The receiver answered."""

    name: ClassVar[str] = "call:accepted"
    call_id: str
    receiver_id: str
    timestamp: int


class Rejected(Event, frozen=True, gc=False):
    """The receiver declined."""

    name: ClassVar[str] = "call:rejected"
    call_id: str
    reason: str
    timestamp: int
    code: str


class TimedOut(Event, frozen=True, gc=False):
    """Nobody answered."""

    name: ClassVar[str] = "call:timeout"
    call_id: str
    reason: str
    timestamp: int
    code: str


class Busy(Event, frozen=True, gc=False):
    """The receiver is in another call."""

    name: ClassVar[str] = "call:busy"
    call_id: str


class Shown(Event, frozen=True, gc=False):
    """A device of the receiver really shows the call."""

    name: ClassVar[str] = "call:ringing"
    call_id: str
    timestamp: int


class Cancelled(Event, frozen=True, gc=False):
    """Stop ringing."""

    name: ClassVar[str] = "call:cancelled"
    call_id: str
    reason: str
    timestamp: int
    code: str


class Ended(Event, frozen=True, gc=False):
    """The call is over for this device."""

    name: ClassVar[str] = "call:ended"
    call_id: str
    reason: str
    timestamp: int
    code: str
    ended_by: str | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET


class RejectConfirmed(Event, frozen=True, gc=False):
    """The rejection was taken."""

    name: ClassVar[str] = "call:reject:confirmed"
    call_id: str


class UpgradeRequest(Event, frozen=True, gc=False):
    """The other party asks for video."""

    name: ClassVar[str] = "call:upgrade:request"
    call_id: str
    sender_id: str
    timestamp: int


class UpgradeResponse(Event, frozen=True, gc=False):
    """The answer to asking for video."""

    name: ClassVar[str] = "call:upgrade:response"
    call_id: str
    accepted: bool
    timestamp: int
    reason: str | UnsetType = UNSET


class UserOnline(Event, frozen=True, gc=False):
    """A user has a socket."""

    name: ClassVar[str] = "user:online"
    user_id: str
    timestamp: int


class UserOffline(Event, frozen=True, gc=False):
    """A user has had no socket for 5 s."""

    name: ClassVar[str] = "user:offline"
    user_id: str
    timestamp: int
