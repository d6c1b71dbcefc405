"""The usual steps of a call with what the contract promises of them, for stories to be told in."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from onlycare_socket.cli.compare.people import Role
from onlycare_socket.cli.compare.reasons import Reason
from onlycare_socket.cli.compare.steps import Arrive, Events, Leave, Promise, Say
from onlycare_socket.cli.virtual_phone import Transport

CALLER, RECEIVER, THIRD, SECOND, VISITOR = Role
ABSENT, PRESENT = Promise.ABSENT, Promise.PRESENT

Answer = dict[str, Any]
Hears = Mapping[Role, Events]
Why = Mapping[str, Reason]

NOTHING: Mapping[Any, Any] = MappingProxyType({})
RUNG: Hears = {RECEIVER: ("call:incoming",)}
TOLD_ACCEPTED: Hears = {CALLER: ("call:accepted",)}
TOLD_REJECTED: Hears = {CALLER: ("call:rejected",), RECEIVER: ("call:reject:confirmed",)}
STOPPED: Hears = {RECEIVER: ("call:cancelled", "call:ended")}
TOLD_ENDED: Hears = {RECEIVER: ("call:ended",)}

LET_IN: Answer = {"connected": True, "refused": ABSENT}
RINGS: Answer = {"success": True, "state": "ringing", "error": ABSENT, "busy": ABSENT, "useFcmFallback": ABSENT}
OFFLINE: Answer = {"success": False, "useFcmFallback": True, "error": "User offline - FCM notification sent"}
BUSY: Answer = {"success": False, "busy": True, "error": "User is busy", "message": ABSENT}
UNKNOWN: Answer = {"success": False, "code": "not_found", "state": "unknown"}
ACCEPTED: Answer = {"success": True, "state": "accepted"}
ENDED: Answer = {"success": True, "state": "ended"}
REJECT_WITHIN = 12.0
"""Seconds in which a reject or a cancel may reach the other side: the old server asks Laravel first, Laravel FCM."""


def dial(
    who: Role = CALLER,
    receiver: str = "<receiver>",
    *,
    call: str = "<call>",
    answer: Answer = RINGS,
    hears: Hears = RUNG,
    why: Why = NOTHING,
    acked: bool = True,
    note: str = "",
) -> Say:
    """Returns a `call:initiate`; it rings, unless the story says otherwise."""
    payload = {
        "receiverId": receiver,
        "callId": call,
        "callType": "audio",
        "channelName": "compare",
        "agoraToken": "compare",
    }
    return _say(who, "call:initiate", payload, answer, hears, why, acked, note)


def shown() -> Say:
    """Returns the receiver's phone showing the call."""
    return command(RECEIVER, "call:ringing", answer={"success": True}, hears={CALLER: ("call:ringing",)})


def accept(
    who: Role = RECEIVER,
    *,
    call: str = "<call>",
    answer: Answer = ACCEPTED,
    hears: Hears = TOLD_ACCEPTED,
    why: Why = NOTHING,
    acked: bool = True,
    note: str = "",
) -> Say:
    """Returns a `call:accept`, of the receiver unless the story says otherwise."""
    return _say(who, "call:accept", {"callId": call}, answer, hears, why, acked, note)


def reject(
    who: Role = RECEIVER,
    *,
    call: str = "<call>",
    reason: str = "",
    answer: Answer = ENDED,
    hears: Hears = TOLD_REJECTED,
    why: Why = NOTHING,
    note: str = "",
) -> Say:
    """Returns a `call:reject`, of the receiver unless the story says otherwise."""
    payload = {"callId": call} | ({"reason": reason} if reason else {})
    return _say(who, "call:reject", payload, answer, hears, why, note=note, within=REJECT_WITHIN)


def cancel(
    who: Role = CALLER,
    *,
    call: str = "<call>",
    reason: str = "",
    answer: Answer = ENDED,
    hears: Hears = STOPPED,
    why: Why = NOTHING,
    note: str = "",
) -> Say:
    """Returns a `call:cancel`, of the caller unless the story says otherwise."""
    payload = {"callId": call} | ({"reason": reason} if reason else {})
    return _say(who, "call:cancel", payload, answer, hears, why, note=note, within=REJECT_WITHIN)


def end(
    who: Role = CALLER,
    *,
    call: str = "<call>",
    answer: Answer = ENDED,
    hears: Hears = TOLD_ENDED,
    why: Why = NOTHING,
    acked: bool = True,
    note: str = "",
) -> Say:
    """Returns a `call:end`, of the caller unless the story says otherwise."""
    return _say(who, "call:end", {"callId": call}, answer, hears, why, acked, note)


def command(
    who: Role,
    event: str,
    call: str = "<call>",
    *,
    answer: Answer,
    hears: Hears = NOTHING,
    why: Why = NOTHING,
    **fields: Any,
) -> Say:
    """Returns any other event about a call."""
    return _say(who, event, {"callId": call, **fields}, answer, hears, why)


def arrive(
    who: Role, *, hears: Hears = NOTHING, why: Why = NOTHING, transport: Transport | None = None, note: str = ""
) -> Arrive:
    """Returns a phone connecting, which is let in."""
    return Arrive(who=who, answer=LET_IN, hears=hears, why=why, transport=transport, note=note)


def leave(who: Role, *, hears: Hears = NOTHING, why: Why = NOTHING, within: float | None = None) -> Leave:
    """Returns a phone disconnecting."""
    return Leave(who=who, hears=hears, why=why, within=within)


def _say(
    who: Role,
    event: str,
    payload: Mapping[str, Any],
    answer: Answer,
    hears: Hears,
    why: Why,
    acked: bool = True,
    note: str = "",
    within: float | None = None,
) -> Say:
    return Say(
        who=who,
        event=event,
        payload=(payload,),
        answer=answer if acked else {},
        hears=hears,
        why=why,
        acked=acked,
        note=note,
        within=within if hears else None,
    )
