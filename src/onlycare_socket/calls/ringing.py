"""The rules of a ringing call."""

from onlycare_socket.calls.answering import accepted, accepted_event, confirm
from onlycare_socket.calls.call import Call, Leg
from onlycare_socket.calls.draft import Draft
from onlycare_socket.calls.effects import Report, ReportKind
from onlycare_socket.calls.ending import (
    TellEnd,
    end,
    stop_ring,
    tell_dialler,
    tell_dialling_device,
    tell_party,
)
from onlycare_socket.calls.messages import Shown
from onlycare_socket.calls.parts import leg_of, with_leg
from onlycare_socket.calls.states import ANSWERED_ELSEWHERE, CALLER, Code, LegState, Role
from onlycare_socket.calls.user_commands import Cancel, Decline, UserCommand


def answer(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """accepted: the caller is told, the receiver's other devices stop"""
    call = accepted(draft, call, command.device)
    draft.accept(command.call_id, call.state)
    tell_party(draft, call, CALLER, accepted_event(draft, call))
    stop_ring(draft, call, code=ANSWERED_ELSEWHERE, but=command.device)
    draft.do(Report(ReportKind.ACCEPTED, call))


def decline(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """ended(declined): the caller is told, the receiver's other devices stop"""
    reason = command.reason if isinstance(command, Decline) else ""
    mine = Leg(user=command.user, device=command.device, state=LegState.DECLINED, ended=True)
    call = draft.change(call, legs=with_leg(call.legs, mine))
    call = end(draft, call, Code.DECLINED, reason=reason, by=call.receiver.shown)
    draft.accept(command.call_id, call.state)
    confirm(draft, call, command)
    tell_dialler(draft, call)
    stop_ring(draft, call, code=Code.DECLINED_ELSEWHERE, but=command.device)
    draft.do(Report(ReportKind.DECLINED, call))


def cancel(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """ended(cancelled): the receiver's devices stop"""
    reason = command.reason if isinstance(command, Cancel) else ""
    call = end(draft, call, Code.CANCELLED, reason=reason, by=call.caller.shown, role=role, device=command.device)
    draft.accept(command.call_id, call.state)
    stop_ring(draft, call)
    draft.do(TellEnd(call, CALLER, draft.now, but=(command.device,)))
    draft.do(Report(ReportKind.HUNG_UP, call))


def show(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same, the leg is shown; the first time the caller is told"""
    leg = leg_of(call, command.user, command.device)
    if leg is not None and leg.state is LegState.SHOWN:
        return draft.accept(command.call_id, call.state, duplicate=True)
    first = all(each.state is not LegState.SHOWN for each in call.legs)
    shown = Leg(user=command.user, device=command.device, state=LegState.SHOWN)
    call = draft.change(call, legs=with_leg(call.legs, shown))
    draft.accept(command.call_id, call.state)
    if first:
        tell_dialling_device(draft, call, Shown(call_id=call.caller.call_id, timestamp=draft.now))
    return None
