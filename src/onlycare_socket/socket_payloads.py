"""What the types of payloads alone cannot tell, and the acks that are made without asking the rules. Pure."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

from onlycare_socket.calls.call import Call
from onlycare_socket.calls.errors import CallError, InvalidPayload
from onlycare_socket.calls.ids import CallId, DeviceId, UserId, canonical_call, is_user
from onlycare_socket.calls.messages import InitiatePayload, Reply, SyncCall
from onlycare_socket.calls.parts import written_for
from onlycare_socket.calls.states import State

MAX_CHANNEL: Final = 256
"""Characters of a channel name at the most; Agora's own limit is 64 bytes."""
MAX_AGORA_TOKEN: Final = 4096
"""Characters of an Agora token at the most; real ones have some hundreds."""
CALL_TYPES: Final = frozenset({"audio", "video"})


def refusal(why: CallError, call_id: str | None = None, state: State | None = None) -> Reply:
    """Returns the ack of a refused command: the only place where an error becomes one."""
    return Reply(
        success=False,
        error=why.text,
        code=why.code,
        call_id=UNSET if call_id is None else call_id,
        state=UNSET if state is None else state.value,
    )


def initiate_problem(payload: InitiatePayload) -> str | None:
    """Says what the types of a `call:initiate` alone could not tell, or None."""
    if not is_user(payload.receiver_id):
        return "Invalid receiverId"
    if payload.call_type.lower() not in CALL_TYPES:
        return "callType is audio or video"
    if not 0 < len(payload.channel_name) <= MAX_CHANNEL:
        return f"channelName has 1 to {MAX_CHANNEL} characters"
    if len(payload.agora_token) > MAX_AGORA_TOKEN:
        return f"agoraToken has at most {MAX_AGORA_TOKEN} characters"
    return "Invalid callId" if readable_call(payload.call_id) is None else None


def readable_call(written: object) -> CallId | None:
    """Returns the call that a client named, None when what it sent is no call id."""
    try:
        return canonical_call(written) if isinstance(written, str) else None
    except ValueError:
        return None


def written_call_id(args: list[Any]) -> object:
    """Returns the `callId` of a payload that is wrong otherwise, whatever it is."""
    return args[0].get("callId") if args and isinstance(args[0], dict) else None


def misfit(args: list[Any], payload: type[Struct]) -> str:
    """Says which field does not fit, for the developer at the other end; never holds what he sent."""
    if not args or not isinstance(args[0], dict):
        return "Invalid payload: expected one object"
    try:
        msgspec.convert(args[0], payload)
    except msgspec.ValidationError as error:
        return f"Invalid payload: {error}"
    return InvalidPayload.sentence


def sync_row(call: Call, user: UserId, device: DeviceId) -> SyncCall:
    """Returns a call as one of its parties sees it in the ack of `call:sync`."""
    caller = call.caller.user == user
    peer = call.receiver if caller else call.caller
    return SyncCall(
        call_id=written_for(call, user, device),
        role="caller" if caller else "receiver",
        peer_id=peer.shown,
        call_type=call.call_type,
        state=call.state.value,
        timestamp=call.created,
        code=call.code.value if call.code is not None else UNSET,
        expires_at=call.ring_at if call.ring_at is not None else UNSET,
    )
