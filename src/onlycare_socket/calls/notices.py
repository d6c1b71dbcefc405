"""What the server itself notices: deadlines that pass, devices that come and go, what was told and what was missed.

Resume: a device that connects is told what it missed. `call:incoming` if the call still rings, `call:accepted` if
it dialled, `call:ended` if the end is less than a minute old; nothing of older calls, and nothing that it was told
over a connection that was heard of afterwards.
"""

from onlycare_socket.calls.answering import accepted_event
from onlycare_socket.calls.audit import repair
from onlycare_socket.calls.call import Call, Leg
from onlycare_socket.calls.commands import (
    Arrived,
    CallerGraceExpired,
    CallGraceExpired,
    DeadlineCommand,
    Left,
    MaxDurationReached,
    Missed,
    Notice,
    Repair,
    RingExpired,
    Unheard,
    UpgradeExpired,
)
from onlycare_socket.calls.draft import Draft, spell
from onlycare_socket.calls.effects import Report, ReportKind, Ring, Tell, Wake
from onlycare_socket.calls.ending import end, end_talk, ended_event, stop_ring, tell_dialler, tell_party
from onlycare_socket.calls.ids import CallId, DeviceId
from onlycare_socket.calls.messages import Event, UpgradeResponse
from onlycare_socket.calls.parts import deadlines_of, leg_of, party_of, role_of, with_leg
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import (
    ACCEPTED,
    CALLER,
    ENDED,
    RECEIVER,
    RINGING,
    RINGING_LEGS,
    Code,
    DeadlineKind,
    LegState,
    Role,
)
from onlycare_socket.calls.telling import TERMINAL_EVENTS


def decide_notice(draft: Draft, call_id: CallId | None, command: DeadlineCommand | Notice) -> None:
    """Decides what the server noticed; of a call that is not kept any more, nothing follows."""
    call = draft.view.call
    if call_id is None and isinstance(command, Left):
        call = draft.view.live.get(command.user)
    if call is None:
        return
    if isinstance(command, Arrived):
        _arrived(draft, call, command)
    elif isinstance(command, Left):
        _left(draft, call, command)
    elif isinstance(command, Unheard):
        _unheard(draft, call, command)
    elif isinstance(command, Missed):
        _missed(draft, call, command)
    elif isinstance(command, Repair):
        repair(draft, call, command)
    else:
        _expired(draft, call, command)


# ---------------------------------------------------------------- deadlines


def _expired(draft: Draft, call: Call, command: DeadlineCommand) -> None:
    """Fires a deadline, if it still runs: the command that won a race has cleared it."""
    kind = DEADLINES[type(command)]
    if not any(running is kind for running, _ in deadlines_of(call)):
        return
    here = isinstance(command, CallerGraceExpired | CallGraceExpired) and command.here
    draft.step(call.id, "deadline", channel="server", detail=_RETURNED[kind] if here else _PASSED[kind])
    if isinstance(command, RingExpired):
        _ring_expired(draft, call, command)
    elif isinstance(command, CallerGraceExpired):
        if command.here:
            draft.change(call, caller_grace_at=None)
        else:
            call = stop_ring(draft, end(draft, call, Code.CONNECTION_LOST))
            draft.do(Report(ReportKind.RING_ENDED, call))
    elif isinstance(command, CallGraceExpired):
        if command.here:
            draft.change(call, call_grace_at=None)
        else:
            call = end(draft, call, Code.CONNECTION_LOST)
            if call.receiver.device is None:
                # Nobody is there to be told; but no device rings any more.
                call = stop_ring(draft, call)
            draft.do(Report(ReportKind.LOST, call))
    elif isinstance(command, MaxDurationReached):
        end_talk(draft, call, Code.MAX_DURATION)
    else:
        _upgrade_expired(draft, call)


DEADLINES: dict[type[DeadlineCommand], DeadlineKind] = {
    RingExpired: DeadlineKind.RING,
    CallerGraceExpired: DeadlineKind.CALLER_GRACE,
    CallGraceExpired: DeadlineKind.CALL_GRACE,
    MaxDurationReached: DeadlineKind.MAX_DURATION,
    UpgradeExpired: DeadlineKind.UPGRADE,
}


_PASSED: dict[DeadlineKind, str] = {
    DeadlineKind.RING: "it has rung long enough",
    DeadlineKind.CALLER_GRACE: "the caller has not come back in time",
    DeadlineKind.CALL_GRACE: "neither of the two has come back in time",
    DeadlineKind.MAX_DURATION: "it has lasted as long as calls may",
    DeadlineKind.UPGRADE: "the wish for video was not answered in time",
}
_RETURNED: dict[DeadlineKind, str] = {
    DeadlineKind.CALLER_GRACE: "the caller is connected: it rings on",
    DeadlineKind.CALL_GRACE: "one of the two is connected: it goes on",
}


def _ring_expired(draft: Draft, call: Call, command: RingExpired) -> None:
    rang = any(leg.user == call.receiver.user and leg.state in RINGING_LEGS and not leg.missed for leg in call.legs)
    call = end(draft, call, Code.NO_ANSWER if rang or command.can_push else Code.UNREACHABLE)
    tell_dialler(draft, call)
    call = stop_ring(draft, call)
    draft.do(Report(ReportKind.RING_ENDED, call))


def _upgrade_expired(draft: Draft, call: Call) -> None:
    asker = CALLER if call.upgrade_by == call.caller.user else RECEIVER
    call = draft.change(call, upgrade_by=None, upgrade_at=None)
    response = UpgradeResponse(
        call_id=party_of(call, asker).call_id, accepted=False, timestamp=draft.now, reason="No answer"
    )
    tell_party(draft, call, asker, response)


# ---------------------------------------------------------------- coming and going


def _left(draft: Draft, call: Call, command: Left) -> None:
    role = role_of(call, command.user)
    if role is None or not call.live:
        return
    draft.step(call.id, "left", by=party_of(call, role).shown, detail="no socket is left")
    if call.state is ACCEPTED:
        # Whether the other party has a socket is asked when the grace is over.
        draft.change(call, call_grace_at=draft.after(draft.terms.call_grace))
    elif role is CALLER:
        draft.change(call, caller_grace_at=draft.after(draft.terms.caller_grace))


def _arrived(draft: Draft, call: Call, command: Arrived) -> None:
    role = role_of(call, command.user)
    if role is None:
        return
    call = spell(draft, call, role, command.shown)
    leg = leg_of(call, command.user, command.device)
    if call.state is ENDED:
        _resume_end(draft, call, role, leg, command.device)
        return
    if call.call_grace_at is not None or (role is CALLER and call.caller_grace_at is not None):
        draft.step(call.id, "returned", by=party_of(call, role).shown, device=command.device)
        call = draft.change(call, call_grace_at=None, caller_grace_at=None if role is CALLER else call.caller_grace_at)
    if role is CALLER:
        if call.state is ACCEPTED and leg is not None and not leg.accepted:
            _tell_arrived(draft, call, role, command.device, accepted_event(draft, call))
    elif call.state is RINGING:
        had_it = leg is not None and leg.state in RINGING_LEGS
        _note_connected(draft, call, role, command.device)
        draft.do(Ring(call, device=command.device, resumed=had_it))
    elif leg is not None and leg.state is LegState.STOPPED and not leg.ended and _fresh(draft, call.accepted):
        stopped = ended_event(call, role, draft.now, Code.ANSWERED_ELSEWHERE)
        _tell_arrived(draft, call, role, command.device, stopped)


def _tell_arrived(draft: Draft, call: Call, role: Role, device: DeviceId, event: Event) -> None:
    """Tells a device what it missed."""
    _note_connected(draft, call, role, device)
    draft.do(Tell(user=party_of(call, role).user, call=call.id, events=(event,), device=device))


def _note_connected(draft: Draft, call: Call, role: Role, device: DeviceId) -> None:
    """Says why something is told again, unless the return within a grace stands there already."""
    if not draft.steps:
        draft.step(call.id, "connected", by=party_of(call, role).shown, device=device)


def _resume_end(draft: Draft, call: Call, role: Role, leg: Leg | None, device: DeviceId) -> None:
    if not _fresh(draft, call.ended) or (leg is not None and leg.ended):
        return
    if leg is None:
        # A phone that rang by push only has no leg; one that never was in the call is left alone.
        rang_by_push = role is RECEIVER and call.receiver.device is None and not call.refused
        if not rang_by_push and party_of(call, role).device is not None:
            return
        if role is RECEIVER and call.refused:
            return
    _tell_arrived(draft, call, role, device, ended_event(call, role, draft.now))


def _fresh(draft: Draft, since: int | None) -> bool:
    return since is not None and draft.now - since <= draft.terms.resume


# ---------------------------------------------------------------- not heard


def _unheard(draft: Draft, call: Call, command: Unheard) -> None:
    leg, role = leg_of(call, command.user, command.device), role_of(call, command.user)
    if leg is None or role is None:
        return
    draft.step(call.id, "unheard", by=party_of(call, role).shown, device=command.device, detail=command.what)
    if command.what == "call:accepted":
        leg = replace(leg, accepted=False)
    elif command.what in TERMINAL_EVENTS:
        leg = replace(leg, ended=False)
    draft.change(call, legs=with_leg(call.legs, leg))


def _missed(draft: Draft, call: Call, command: Missed) -> None:
    leg = leg_of(call, command.user, command.device)
    if leg is None or call.state is not RINGING or leg.state not in RINGING_LEGS:
        return
    draft.step(call.id, "silent", call.receiver.shown, command.device, detail="it did not answer the ping")
    call = draft.change(call, legs=with_leg(call.legs, replace(leg, missed=True)))
    draft.do(Wake(call, command.device))
