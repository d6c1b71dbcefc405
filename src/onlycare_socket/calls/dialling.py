"""What happens when somebody dials. The questions are asked in this order, and the first that has an answer decides:

the time in the id, calling oneself, an id that is known, stale, a remembered reject, cancel or end that overtook
this initiate, the budget of events, busy, a remembered accept; else the receiver's phones ring.

A user has at most one live call. Dialling while he has one ends that one when it can only be forgotten or less
wanted: it is on the dialling device, or on a device that is gone (`superseded`), or he is merely being rung by a
third person (`busy` for that one). Two users who dial each other: the first ring wins (`glare`), never none.
"""

from enum import Enum

from onlycare_socket.calls.answering import accepted, accepted_event
from onlycare_socket.calls.call import Call, Early, Form, Leg, Party
from onlycare_socket.calls.draft import Draft, note_early, note_gave_way
from onlycare_socket.calls.effects import Ack, AckOfDial, Report, ReportKind, Ring, Tell
from onlycare_socket.calls.ending import end, ended_event, stop_ring, tell_dialler, tell_end
from onlycare_socket.calls.errors import Conflict, Forbidden, InvalidPayload, RateLimited, Stale
from onlycare_socket.calls.ids import CallId, dialled_at
from onlycare_socket.calls.messages import Busy, Event, Rejected, Reply
from onlycare_socket.calls.parts import party_of, role_of, written_for
from onlycare_socket.calls.records import UNSET
from onlycare_socket.calls.states import CALLER, DIALLED, RECEIVER, RINGING, Code, EarlyKind
from onlycare_socket.calls.user_commands import Dial
from onlycare_socket.calls.words import INITIATED, USER_BUSY, reason_of


def dial(draft: Draft, call_id: CallId, command: Dial) -> None:
    """Decides an initiate."""
    seconds = dialled_at(command.call_id)
    if seconds is not None and seconds * 1000 - draft.now > draft.terms.ahead:
        draft.refuse(command.call_id, InvalidPayload, text="The time in callId is ahead of the server's")
    elif command.receiver == command.user:
        draft.refuse(command.call_id, Forbidden, text="Cannot call yourself")
    elif draft.view.call is not None:
        _known(draft, draft.view.call, command)
    elif _is_stale(draft, command, seconds):
        draft.refuse(command.call_id, Stale)
    elif over := _overtaken(draft, command, terminal=True):
        _end_overtaken(draft, call_id, command, over)
    elif command.over_budget:
        draft.refuse(command.call_id, RateLimited)
    else:
        _connect(draft, call_id, command)


def _is_stale(draft: Draft, command: Dial, seconds: int | None) -> bool:
    """Says whether it was emitted long ago and kept in a client's buffer; a phone's clock alone is never trusted."""
    terms = draft.terms
    if seconds is not None:
        return draft.now - seconds * 1000 > terms.stale
    if command.sent is None or command.since_connect > terms.stale_after_connect:
        return False
    return draft.now - command.sent > terms.stale


# ---------------------------------------------------------------- the same id again


def _known(draft: Draft, call: Call, command: Dial) -> None:
    role = role_of(call, command.user)
    if role is not CALLER or call.receiver.user != command.receiver:
        draft.refuse(command.call_id, Conflict, call if role else None)
    elif call.refused:
        draft.do(Ack(_busy_reply(command.call_id, call)))
    elif call.caller.device is None:
        return _adopt(draft, call, command)
    else:
        reply = _reply(command.call_id, call, duplicate=True)
        draft.do(AckOfDial(reply, call.receiver.user) if call.state is RINGING else Ack(reply))
    if role is not None:
        _note(draft, call, command, draft.outcome())
    return None


def _adopt(draft: Draft, call: Call, command: Dial) -> None:
    """Takes over a call that the backend had accepted before its initiate came; it may be over by now."""
    caller = Party(
        user=command.user, shown=command.shown, call_id=command.call_id, device=command.device, name=command.name
    )
    call = draft.change(
        call,
        caller=caller,
        call_type=command.call_type,
        channel_name=command.channel_name,
        agora_token=command.agora_token if call.live else "",
        legs=(*call.legs, Leg(user=command.user, device=command.device, state=DIALLED)),
    )
    _note(draft, call, command, f"already {call.state.value}")
    draft.do(Ack(_reply(command.call_id, call)))
    event = accepted_event(draft, call) if call.live else ended_event(call, CALLER, draft.now)
    _tell_asker(draft, call, command, event)


# ---------------------------------------------------------------- commands that overtook it


def _overtaken(draft: Draft, command: Dial, *, terminal: bool) -> Early | None:
    for early in draft.view.early:
        if (
            early.until > draft.now
            and (early.kind is not EarlyKind.ACCEPT) == terminal
            and early.meets(command.user, command.receiver)
        ):
            return early
    return None


def _end_overtaken(draft: Draft, call_id: CallId, command: Dial, early: Early) -> None:
    call = draft.keep(_new_call(draft, call_id, command))
    code = early.code(command.receiver)
    by_receiver = code is Code.DECLINED
    by = call.receiver.shown if by_receiver else call.caller.shown
    note_early(draft, call, early)
    _note(draft, call, command, f"overtaken by {early.kind.value}")
    call = end(draft, call, code, reason=early.reason, by=by)
    draft.do(Ack(_reply(command.call_id, call)))
    event: Event = ended_event(call, CALLER, draft.now)
    if by_receiver:
        event = Rejected(
            call_id=command.call_id,
            reason=reason_of(code, call.reason),
            timestamp=draft.now,
            code=code,
        )
    _tell_asker(draft, call, command, event)
    if early.device is not None:
        draft.do(Report(ReportKind.DECLINED if by_receiver else ReportKind.HUNG_UP, call))


# ---------------------------------------------------------------- busy


class _Mine(Enum):
    """What becomes of the live call that the caller has already."""

    NONE = "none"
    SUPERSEDED = "superseded"
    OUTRUN = "outrun"
    KEPT = "kept"


def _mine(call: Call | None, command: Dial) -> _Mine:
    if call is None:
        return _Mine.NONE
    if call.state is RINGING and call.receiver.user == command.user:
        return _Mine.OUTRUN
    role = CALLER if call.caller.user == command.user else RECEIVER
    device = party_of(call, role).device
    if device is None or device == command.device or device not in command.here:
        return _Mine.SUPERSEDED
    return _Mine.KEPT


def _connect(draft: Draft, call_id: CallId, command: Dial) -> None:
    mine, theirs = draft.view.live.get(command.user), draft.view.live.get(command.receiver)
    if theirs and theirs.state is RINGING and theirs.receiver.user == command.user:
        winner = written_for(theirs, command.user, command.device)
        why = f"{theirs.caller.shown} was ringing {command.shown} already in call {winner}, which goes on"
        return _refuse_busy(draft, call_id, command, Code.GLARE, why, winner)
    fate = _mine(mine, command)
    free = theirs is None or (fate is _Mine.SUPERSEDED and mine is not None and theirs.id == mine.id)
    if mine is not None and fate is _Mine.KEPT:
        why = f"{command.shown} was in call {mine.caller.call_id} on another device"
        return _refuse_busy(draft, call_id, command, Code.BUSY, why)
    if theirs is not None and not free:
        why = f"{command.receiver_shown} was in call {theirs.caller.call_id}"
        return _refuse_busy(draft, call_id, command, Code.BUSY, why)
    early = _overtaken(draft, command, terminal=False)
    call = draft.keep(_new_call(draft, call_id, command))
    if early is not None:
        note_early(draft, call, early)
    _note(draft, call, command)
    if early is not None:
        call = _accept_overtaken(draft, call, early)
        draft.do(Ack(_reply(command.call_id, call)))
    else:
        draft.do(AckOfDial(_reply(command.call_id, call), command.receiver))
    if mine is not None:
        _give_way(draft, mine, fate, command)
    if early is not None:
        _tell_asker(draft, call, command, accepted_event(draft, call))
        draft.do(Report(ReportKind.ACCEPTED, call))
    else:
        draft.do(Ring(call))
    return None


def _refuse_busy(draft: Draft, call_id: CallId, command: Dial, code: Code, why: str, winner: str | None = None) -> None:
    call = draft.keep(_new_call(draft, call_id, command))
    _note(draft, call, command)
    draft.step(call.id, code, channel="server", detail=why)
    call = draft.change(end(draft, call, code), refused=True, winner_call=winner)
    draft.do(Ack(_busy_reply(command.call_id, call)))
    _tell_asker(draft, call, command, Busy(call_id=command.call_id))
    draft.do(Report(ReportKind.REFUSED, call))


def _give_way(draft: Draft, mine: Call, fate: _Mine, command: Dial) -> None:
    """Ends the caller's former call for the one he dials now; the other party of it is told."""
    rang = mine.state is RINGING
    note_gave_way(draft, mine, f"{command.shown} dialled call {command.call_id}")
    if fate is _Mine.OUTRUN:
        mine = end(draft, mine, Code.BUSY)
        tell_dialler(draft, mine)
        mine = stop_ring(draft, mine)
    else:
        role = CALLER if mine.caller.user == command.user else RECEIVER
        mine = end(draft, mine, Code.SUPERSEDED, role=role, device=command.device)
        if role is RECEIVER:
            mine = tell_end(draft, mine, CALLER)
            # With an open winner, his other devices may still ring.
            mine = tell_end(draft, mine, RECEIVER, command.device)
        elif rang:
            mine = stop_ring(draft, mine)
        else:
            mine = tell_end(draft, mine, RECEIVER)
    draft.do(Report(ReportKind.REFUSED if rang else ReportKind.HUNG_UP, mine))


# ---------------------------------------------------------------- records and answers


def _new_call(draft: Draft, call_id: CallId, command: Dial) -> Call:
    return Call(
        id=call_id,
        state=RINGING,
        caller=Party(
            user=command.user, shown=command.shown, call_id=command.call_id, device=command.device, name=command.name
        ),
        receiver=Party(user=command.receiver, shown=command.receiver_shown, call_id=command.call_id),
        call_type=command.call_type,
        channel_name=command.channel_name,
        agora_token=command.agora_token,
        created=draft.now,
        ring_at=draft.after(draft.terms.ring_timeout),
        legs=(Leg(user=command.user, device=command.device, state=DIALLED),),
    )


def _accept_overtaken(draft: Draft, call: Call, early: Early) -> Call:
    call = accepted(draft, call, early.device, grace=True)
    if early.device is None or early.call_id in (None, call.receiver.call_id):
        return call
    return draft.change(call, forms=(Form(call.receiver.user, early.device, early.call_id),))


def _tell_asker(draft: Draft, call: Call, command: Dial, event: Event) -> None:
    """Tells the socket that dialled what became of it at once (contract section 2)."""
    draft.do(Tell(user=command.user, call=call.id, events=(event,), device=command.device, socket=command.socket))


def _note(draft: Draft, call: Call, command: Dial, detail: str = "") -> None:
    draft.step(call.id, "call:initiate", by=command.shown, device=command.device, channel="socket", detail=detail)


def _reply(call_id: str, call: Call, *, duplicate: bool = False) -> Reply:
    ringing = call.state is RINGING
    return Reply(
        success=True,
        call_id=call_id,
        message=INITIATED,
        state=call.state,
        duplicate=True if duplicate else UNSET,
        expires_at=call.ring_at if ringing and call.ring_at else UNSET,
        code=call.code if call.code else UNSET,
    )


def _busy_reply(call_id: str, call: Call) -> Reply:
    return Reply(
        success=False,
        error=USER_BUSY,
        busy=True,
        call_id=call_id,
        code=call.code or Code.BUSY,
        winner_call_id=call.winner_call or UNSET,
        state=call.state,
    )
