"""The backend's word and the operator's: they hold in every live state, whoever may be connected.

An unknown call: the named users are told all the same, and the outcome waits for the initiate like a command that
overtook it. An accepted unknown call is the exception: it is registered as live, with the winner open.
"""

from onlycare_socket.calls.answering import accepted, accepted_event, name_winner
from onlycare_socket.calls.call import Call, Early, Party
from onlycare_socket.calls.commands import (
    BackendAccepted,
    BackendCancelled,
    BackendCommand,
    BackendEnded,
    BackendRejected,
    OperatorEnded,
)
from onlycare_socket.calls.draft import Draft, note_early, note_gave_way
from onlycare_socket.calls.effects import Report, ReportKind, Tell
from onlycare_socket.calls.ending import end, end_talk, ended_event, stop_ring, tell_dialler, tell_party
from onlycare_socket.calls.errors import InvalidPayload, PartiesMismatch
from onlycare_socket.calls.ids import CallId, UserId
from onlycare_socket.calls.messages import Cancelled, Ended, Event, Rejected
from onlycare_socket.calls.parts import party_of, role_of
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import ACCEPTED, CALLER, ENDED, RECEIVER, Code, EarlyKind
from onlycare_socket.calls.words import reason_given, reason_of


def decide_backend(draft: Draft, call_id: CallId, command: BackendCommand) -> None:
    """Decides one word of the backend."""
    call = draft.view.call
    if call is None:
        return _unknown(draft, call_id, command)
    if command.caller not in (None, call.caller.user) or command.receiver not in (None, call.receiver.user):
        draft.refuse(command.call_id, PartiesMismatch)
        return _note(draft, call, command)
    place = len(draft.steps)
    if isinstance(command, BackendAccepted):
        _accepted(draft, call, command)
    elif call.state is ENDED:
        draft.accept(command.call_id, call.state, call.code, duplicate=True)
    else:
        draft.accept(command.call_id, ENDED)
        if call.state is ACCEPTED:
            _hung_up(draft, call, command)
        else:
            _ring_ended(draft, call, command)
    return _note(draft, call, command, place)


def _note(draft: Draft, call: Call, command: BackendCommand, place: int | None = None) -> None:
    ended_by = command.ended_by if isinstance(command, BackendEnded) else None
    role = role_of(call, ended_by) if ended_by is not None else None
    draft.step(
        call.id,
        EVENT_NAMES[type(command)],
        party_of(call, role).shown if role else "",
        command.device if isinstance(command, BackendAccepted) else None,
        "backend",
        draft.outcome() or reason_given(command.reason),
        place=place,
    )


EVENT_NAMES: dict[type[BackendCommand], str] = {
    BackendAccepted: "call-accepted",
    BackendCancelled: "call-cancelled",
    BackendRejected: "call-rejected",
    BackendEnded: "call-ended",
}


# ---------------------------------------------------------------- a known call


def _accepted(draft: Draft, call: Call, command: BackendAccepted) -> None:
    if call.state is ENDED:
        draft.accept(command.call_id, call.state, call.code)
        event = ended_event(call, RECEIVER, draft.now)
        draft.do(Tell(user=call.receiver.user, call=call.id, events=(event,)))
        draft.do(Report(ReportKind.ACCEPTED_AFTER_END, call))
    elif call.state is ACCEPTED:
        draft.accept(command.call_id, call.state, duplicate=True)
        if command.device is not None and call.receiver.device is None:
            call = name_winner(draft, call, command.device)
            stop_ring(draft, call, code=Code.ANSWERED_ELSEWHERE, but=command.device)
    else:
        _answer(draft, call, command)


def _answer(draft: Draft, call: Call, command: BackendAccepted) -> None:
    call = accepted(draft, call, command.device, grace=True)
    draft.accept(command.call_id, call.state)
    tell_party(draft, call, CALLER, accepted_event(draft, call), counts=True)
    if command.device is not None:
        stop_ring(draft, call, code=Code.ANSWERED_ELSEWHERE, but=command.device, counts=False)


def _ring_ended(draft: Draft, call: Call, command: BackendCommand) -> None:
    ended_by = command.ended_by if isinstance(command, BackendEnded) else None
    declined = isinstance(command, BackendRejected) or ended_by == call.receiver.user
    if declined:
        call = end(draft, call, Code.DECLINED, reason=command.reason, by=call.receiver.shown)
        tell_dialler(draft, call, counts=True)
        stop_ring(draft, call, code=Code.DECLINED_ELSEWHERE, counts=False)
    else:
        # The dialling device may have cancelled by REST itself; if somebody else did, it must hear of it.
        by_caller = isinstance(command, BackendCancelled) or ended_by == call.caller.user
        call = end(draft, call, Code.CANCELLED, reason=command.reason, by=call.caller.shown if by_caller else None)
        stop_ring(draft, call)
        tell_dialler(draft, call, counts=isinstance(command, BackendEnded))


def _hung_up(draft: Draft, call: Call, command: BackendCommand) -> None:
    ended_by = command.ended_by if isinstance(command, BackendEnded) else None
    role = role_of(call, ended_by) if ended_by is not None else None
    end_talk(draft, call, Code.COMPLETED, by=role, report=False)


# ---------------------------------------------------------------- an unknown call


def _unknown(draft: Draft, call_id: CallId, command: BackendCommand) -> None:
    if isinstance(command, BackendAccepted):
        return _register_accepted(draft, call_id, command)
    early = _early(draft, call_id, command)
    if early is None:
        return draft.refuse(command.call_id, InvalidPayload, text="A party must be named")
    if any(_same(early, known) for known in draft.view.early):
        return draft.accept(command.call_id, ENDED, duplicate=True)
    draft.remember(early)
    draft.accept(command.call_id, ENDED)
    for user, events in _unknown_events(draft, command):
        draft.do(Tell(user=user, call=call_id, events=events, counts=True))
    return None


def _early(draft: Draft, call_id: CallId, command: BackendCommand) -> Early | None:
    user: UserId | None
    if isinstance(command, BackendEnded):
        named = command.ended_by in (command.caller, command.receiver)
        kind, user = EarlyKind.END, command.ended_by if named else command.caller
    elif isinstance(command, BackendRejected):
        kind, user = EarlyKind.REJECT, command.receiver
    else:
        kind, user = EarlyKind.CANCEL, command.caller or command.receiver
    if user is None:
        return None
    return Early(
        call=call_id,
        user=user,
        kind=kind,
        until=draft.after(draft.terms.remember),
        caller=command.caller,
        receiver=command.receiver,
        reason=command.reason,
    )


def _same(early: Early, known: Early) -> bool:
    return known.device is None and replace(known, until=early.until, reason=early.reason) == early


def _unknown_events(draft: Draft, command: BackendCommand) -> list[tuple[UserId, tuple[Event, ...]]]:
    caller, receiver, now, call_id = command.caller, command.receiver, draft.now, command.call_id
    if isinstance(command, BackendRejected):
        code = Code.DECLINED
        reason = reason_of(code, command.reason)
        event: Event = Rejected(call_id=call_id, reason=reason, timestamp=now, code=code)
        if caller in draft.view.live:
            # His connecting screen would take the rejection for the call that he has now.
            event = Ended(call_id=call_id, reason=reason, timestamp=now, code=code)
        return [(caller, (event,))] if caller else []
    if isinstance(command, BackendEnded):
        code = Code.COMPLETED
        ended = Ended(call_id=call_id, reason=reason_of(code), timestamp=now, code=code)
        return [(user, (ended,)) for user in (caller, receiver) if user]
    code = Code.CANCELLED
    reason = reason_of(code, command.reason)
    cancelled = Cancelled(call_id=call_id, reason=reason, timestamp=now, code=code)
    ended = Ended(call_id=call_id, reason=reason, timestamp=now, code=code)
    return [(receiver, (cancelled, ended))] if receiver else []


def _register_accepted(draft: Draft, call_id: CallId, command: BackendAccepted) -> None:
    """Keeps a call that the backend accepted before its initiate came: live, whoever it was that accepted."""
    caller, receiver = command.caller, command.receiver
    if caller is None or receiver is None or caller == receiver:
        return draft.refuse(command.call_id, InvalidPayload, text="callerId and receiverId must name two users")
    won = next((early for early in draft.view.early if _counts(draft, early, caller, receiver, True)), None)
    over = next((early for early in draft.view.early if _counts(draft, early, caller, receiver, False)), None)
    device = command.device or (won.device if won else None)
    former = {} if over else {call.id: call for user in (caller, receiver) if (call := draft.view.live.get(user))}
    call = draft.keep(
        Call(
            id=call_id,
            state=ACCEPTED,
            caller=Party(user=caller, shown=command.caller_shown, call_id=command.call_id),
            receiver=Party(user=receiver, shown=command.receiver_shown, call_id=command.call_id, device=device),
            call_type="audio",
            channel_name="",
            agora_token="",
            created=draft.now,
            accepted=draft.now,
            call_grace_at=draft.after(draft.terms.call_grace),
            max_duration_at=draft.after(draft.terms.max_duration),
        )
    )
    for early in (won, over):
        if early is not None:
            note_early(draft, call, early)
    draft.step(call.id, EVENT_NAMES[BackendAccepted], device=device, channel="backend", detail="before it was dialled")
    if over is not None:
        return _accepted(draft, end(draft, call, over.code(receiver), reason=over.reason), command)
    draft.accept(command.call_id, call.state)
    for old in former.values():
        note_gave_way(draft, old, f"the backend accepted call {command.call_id}")
        _supersede(draft, old)
    tell_party(draft, call, CALLER, accepted_event(draft, call), counts=True)
    return None


def _counts(draft: Draft, early: Early, caller: UserId, receiver: UserId, accept: bool) -> bool:
    """Says whether a remembered command counts for the call of these two: an accept, or one that ends it."""
    return early.until > draft.now and (early.kind is EarlyKind.ACCEPT) is accept and early.meets(caller, receiver)


def _supersede(draft: Draft, call: Call) -> None:
    if call.state is ACCEPTED:
        end_talk(draft, call, Code.SUPERSEDED)
    else:
        call = end(draft, call, Code.SUPERSEDED)
        tell_dialler(draft, call)
        call = stop_ring(draft, call, counts=False)
        draft.do(Report(ReportKind.REFUSED, call))


# ---------------------------------------------------------------- the operator


def decide_operator(draft: Draft, command: OperatorEnded) -> None:
    """Ends a live call for good."""
    call = draft.view.call
    if call is None:
        return draft.refuse_unknown(command.call_id)
    if call.state is ENDED:
        draft.step(call.id, "end", channel="operator", detail="duplicate")
        return draft.accept(command.call_id, call.state, call.code, duplicate=True)
    draft.step(call.id, "end", channel="operator")
    draft.accept(command.call_id, ENDED)
    return terminate(draft, call)


def terminate(draft: Draft, call: Call) -> None:
    """Ends a live call for both, though neither of them asked for it."""
    if call.state is ACCEPTED:
        end_talk(draft, call, Code.TERMINATED_BY_SERVER)
    else:
        call = end(draft, call, Code.TERMINATED_BY_SERVER)
        tell_dialler(draft, call, counts=True)
        stop_ring(draft, call)
        draft.do(Report(ReportKind.HUNG_UP, call))
