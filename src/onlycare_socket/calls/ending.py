"""How a call ends, and how a ring stops: who is told what. Ended is final.

- A ringing device of the receiver is always stopped by `call:cancelled`, then `call:ended`.
- The words that a connecting screen takes without looking at the call id (`call:rejected`, `call:timeout`,
  `call:busy`) go only to the device that dialled, and only as the state changes.
- Everybody else, and everybody later, gets `call:ended`.
"""

from typing import Final, Literal

from onlycare_socket.calls.call import Call, Leg
from onlycare_socket.calls.draft import Draft
from onlycare_socket.calls.effects import Report, ReportKind, Tell, Unpush
from onlycare_socket.calls.ids import DeviceId, Millis, UserId
from onlycare_socket.calls.messages import Busy, Cancelled, Ended, Event, Rejected, TimedOut
from onlycare_socket.calls.parts import leg_of, party_of, with_leg
from onlycare_socket.calls.records import UNSET, replace
from onlycare_socket.calls.states import (
    CALLER,
    DECLINED,
    ENDED,
    EXPIRED,
    RECEIVER,
    RINGING_LEGS,
    RUNG_LEGS,
    STOPPED,
    Code,
    Role,
)
from onlycare_socket.calls.words import reason_of


def end(
    draft: Draft,
    call: Call,
    code: Code,
    *,
    reason: str = "",
    by: str | None = None,
    role: Role | None = None,
    device: DeviceId | None = None,
) -> Call:
    """Ends a call: every timer off, the Agora token gone, nobody busy with it.

    `device`, of the party `role`, caused it: so it knows, and rings no more.
    """
    draft.step(call.id, "ended", by or "", detail=code)
    changed = replace(
        call,
        version=draft.version(call),
        state=ENDED,
        ended=draft.now,
        code=code,
        reason=reason,
        ended_by=by,
        legs=call.legs if role is None or device is None else _knowing(call, party_of(call, role).user, device),
        agora_token="",
        upgrade_by=None,
        ring_at=None,
        caller_grace_at=None,
        call_grace_at=None,
        max_duration_at=None,
        upgrade_at=None,
    )
    return draft.keep(changed)


def ended_event(call: Call, role: Role, now: Millis, code: Code | None = None) -> Ended:
    """Returns the `call:ended` of a party. `code` is given when only this device is out of the call."""
    of_call = code is None
    code = code or call.code or EXPIRED
    duration = call.duration
    return Ended(
        call_id=party_of(call, role).call_id,
        reason=reason_of(code, call.reason, _side(role)),
        timestamp=now,
        code=code,
        ended_by=call.ended_by if of_call and call.ended_by else UNSET,
        duration_ms=duration if of_call and duration is not None else UNSET,
    )


class TellEnd(Tell):
    """Tell devices of a party that a call is over for them: `call:ended`, and before it, `stops`, `call:cancelled`.

    `code` is given when only these devices are out of the call.
    """

    __slots__ = ("_code", "_ended", "_now", "_role", "_stops")

    def __init__(
        self,
        call: Call,
        role: Role,
        now: Millis,
        code: Code | None = None,
        *,
        stops: bool = False,
        device: DeviceId | None = None,
        but: tuple[DeviceId, ...] = (),
        ringing: frozenset[DeviceId] | None = None,
        counts: bool = False,
    ) -> None:
        super().__init__(party_of(call, role).user, call.id, (), device, False, but, ringing, counts)
        self._ended: Final = call
        self._role: Final = role
        self._now: Final = now
        self._code: Final = code
        self._stops: Final = stops

    def events(self) -> tuple[Event, ...]:
        """Returns what to say, in order."""
        ended = ended_event(self._ended, self._role, self._now, self._code)
        if not self._stops:
            return (ended,)
        return (Cancelled(call_id=ended.call_id, reason=ended.reason, timestamp=self._now, code=ended.code), ended)


def stop_ring(
    draft: Draft, call: Call, *, code: Code | None = None, but: DeviceId | None = None, counts: bool = True
) -> Call:
    """Stops every ringing device of the receiver, except the one that answered."""
    ringing = ringing_devices(call)
    receiver = call.receiver.user
    if any(_rings(leg, receiver, but) for leg in call.legs):
        call = draft.change(call, legs=tuple([_stopped(leg, receiver, but) for leg in call.legs]))
    others = (but,) if but else ()
    draft.do(TellEnd(call, RECEIVER, draft.now, code, stops=True, but=others, ringing=ringing, counts=counts))
    draft.do(Unpush(call))
    return call


def ringing_devices(call: Call) -> frozenset[DeviceId]:
    """Returns the devices of the receiver that ring, as far as is known."""
    receiver = call.receiver.user
    return frozenset([leg.device for leg in call.legs if leg.user == receiver and leg.state in RINGING_LEGS])


def _rings(leg: Leg, receiver: UserId, but: DeviceId | None) -> bool:
    return leg.state in RUNG_LEGS and leg.user == receiver and leg.device != but


def _stopped(leg: Leg, receiver: UserId, but: DeviceId | None) -> Leg:
    return replace(leg, state=STOPPED, ended=False) if _rings(leg, receiver, but) else leg


def tell_party(
    draft: Draft, call: Call, role: Role, event: Event, *, but: tuple[DeviceId, ...] = (), counts: bool = False
) -> None:
    """Tells the device of a party that is in the call; all of his devices if it is unknown or has no socket."""
    party = party_of(call, role)
    draft.do(Tell(party.user, call.id, (event,), party.device, True, but, counts=counts))


def tell_dialler(draft: Draft, call: Call, *, counts: bool = False) -> None:
    """Tells the device that dialled how its ringing call just ended."""
    caller, code = call.caller, call.code or EXPIRED
    reason = reason_of(code, call.reason, "caller")
    event: Event
    if code is DECLINED:
        event = Rejected(call_id=caller.call_id, reason=reason, timestamp=draft.now, code=code)
    elif code in (Code.NO_ANSWER, Code.UNREACHABLE):
        event = TimedOut(call_id=caller.call_id, reason=reason, timestamp=draft.now, code=code)
    elif code is Code.BUSY:
        return tell_dialling_device(draft, call, Busy(call_id=caller.call_id))
    else:
        event = ended_event(call, CALLER, draft.now)
    return tell_party(draft, call, CALLER, event, counts=counts)


def tell_dialling_device(draft: Draft, call: Call, event: Event) -> None:
    """Tells the device that dialled, and no other of the caller's: they have nothing to show it on."""
    draft.do(Tell(user=call.caller.user, call=call.id, events=(event,), device=call.caller.device))


def end_talk(
    draft: Draft,
    call: Call,
    code: Code,
    *,
    by: Role | None = None,
    device: DeviceId | None = None,
    report: bool = True,
) -> Call:
    """Ends an accepted call and tells all who are in it.

    `by` is the party that hung up and `device` the device he did it on, if anybody did and it is known. `report` is
    off when the backend itself said so.
    """
    call = end(draft, call, code, by=party_of(call, by).shown if by else None, role=by, device=device)
    for role in (CALLER, RECEIVER):
        call = tell_end(draft, call, role, device if role is by else None)
    if report:
        draft.do(Report(ReportKind.HUNG_UP, call))
    return call


def tell_end(draft: Draft, call: Call, role: Role, device: DeviceId | None = None) -> Call:
    """Tells a party that an accepted call is over; with `device`, his others only: that one ended it itself."""
    party = party_of(call, role)
    told = tuple([leg.device for leg in call.legs if leg.ended and leg.user == party.user])
    if role is RECEIVER and party.device is None:
        # Nobody knows which device has the call, so some may still ring.
        ringing = ringing_devices(call)
        call = stop_ring(draft, call, but=device)
        told += tuple(ringing)
    elif device is None:
        tell_party(draft, call, role, ended_event(call, role, draft.now), but=told, counts=True)
        return call
    others = (*told, device) if device else told
    draft.do(TellEnd(call, role, draft.now, but=others, counts=True))
    return call


def _knowing(call: Call, user: UserId, device: DeviceId) -> tuple[Leg, ...]:
    leg = leg_of(call, user, device)
    if leg is None or leg.ended:
        return call.legs
    return with_leg(call.legs, replace(leg, state=STOPPED if leg.state in RINGING_LEGS else leg.state, ended=True))


def _side(role: Role) -> Literal["caller", "receiver"]:
    return "caller" if role is CALLER else "receiver"
