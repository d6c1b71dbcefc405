"""The rule book: what each command of a user does to a call in each state. Pure, and the same for every deployment.

- The table below is the whole of it: state -> command -> role -> rule. A pair that is not there is `forbidden`
  (the wrong role); the table in the documents is made from it.
- Ended is final. The first accept wins, and so does whatever ended a ringing call first; whoever comes later is
  told how it stands and changes nothing.
- Identity comes from the token, the role from the call. A stranger's command is answered like one on an unknown call.
- Every command gets exactly one ack, and it stands before the events that the command causes.
"""

from collections.abc import Callable
from typing import Final

from onlycare_socket.calls.backend import decide_backend, decide_operator
from onlycare_socket.calls.call import MAX_LEGS, Call, Early, Form
from onlycare_socket.calls.commands import BackendCommand, Command, OperatorEnded
from onlycare_socket.calls.decision import Decision, View
from onlycare_socket.calls.dialling import dial
from onlycare_socket.calls.draft import Draft, spell
from onlycare_socket.calls.errors import Conflict, Forbidden
from onlycare_socket.calls.ids import CallId
from onlycare_socket.calls.notices import decide_notice
from onlycare_socket.calls.over import already_over, too_late
from onlycare_socket.calls.parts import party_of, role_of, written_for
from onlycare_socket.calls.ringing import answer, cancel, decline, show
from onlycare_socket.calls.states import CALLER, RECEIVER, EarlyKind, Role, State
from onlycare_socket.calls.talking import answer_again, answer_video, ask_video, decline_late, hang_up, report_state
from onlycare_socket.calls.terms import Terms
from onlycare_socket.calls.user_commands import (
    Accept,
    AnswerVideo,
    AskVideo,
    Cancel,
    Decline,
    Dial,
    HangUp,
    Show,
    UserCommand,
)
from onlycare_socket.calls.words import reason_given

Rule = Callable[[Draft, Call, Role, UserCommand], None]


def not_now(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same, conflict"""
    draft.refuse(command.call_id, Conflict, call)


_BOTH_LATER: dict[Role, Rule] = {CALLER: not_now, RECEIVER: not_now}

TABLE: Final[dict[State, dict[type[UserCommand], dict[Role, Rule]]]] = {
    State.RINGING: {
        Accept: {Role.RECEIVER: answer},
        Decline: {Role.RECEIVER: decline},
        Cancel: {Role.CALLER: cancel},
        HangUp: {Role.CALLER: cancel, Role.RECEIVER: decline},
        Show: {Role.RECEIVER: show},
        AskVideo: _BOTH_LATER,
        AnswerVideo: _BOTH_LATER,
    },
    State.ACCEPTED: {
        Accept: {Role.RECEIVER: answer_again},
        Decline: {Role.RECEIVER: decline_late},
        Cancel: {Role.CALLER: hang_up},
        HangUp: {Role.CALLER: hang_up, Role.RECEIVER: hang_up},
        Show: {Role.RECEIVER: report_state},
        AskVideo: {Role.CALLER: ask_video, Role.RECEIVER: ask_video},
        AnswerVideo: {Role.CALLER: answer_video, Role.RECEIVER: answer_video},
    },
    State.ENDED: {
        Accept: {Role.RECEIVER: too_late},
        Decline: {Role.RECEIVER: already_over},
        Cancel: {Role.CALLER: already_over},
        HangUp: {Role.CALLER: already_over, Role.RECEIVER: already_over},
        Show: {Role.RECEIVER: too_late},
        AskVideo: _BOTH_LATER,
        AnswerVideo: _BOTH_LATER,
    },
}

EVENT_NAMES: Final[dict[type[UserCommand], str]] = {
    Accept: "call:accept",
    Decline: "call:reject",
    Cancel: "call:cancel",
    HangUp: "call:end",
    Show: "call:ringing",
    AskVideo: "call:upgrade",
    AnswerVideo: "call:upgrade:response",
}

OVERTAKING: dict[type[UserCommand], EarlyKind] = {
    Accept: EarlyKind.ACCEPT,
    Decline: EarlyKind.REJECT,
    Cancel: EarlyKind.CANCEL,
    HangUp: EarlyKind.END,
}
"""Commands that are remembered when they come before their initiate."""


def decide(terms: Terms, call_id: CallId | None, command: Command, view: View) -> Decision:
    """Decides a command on what is there; to be run by the store, with all but the view filled in."""
    draft = Draft(terms, view)
    if isinstance(command, Dial):
        dial(draft, call_id or CallId(command.call_id), command)
    elif isinstance(command, UserCommand):
        _decide_user(draft, call_id or CallId(command.call_id), command)
    elif isinstance(command, BackendCommand):
        decide_backend(draft, call_id or CallId(command.call_id), command)
    elif isinstance(command, OperatorEnded):
        decide_operator(draft, command)
    else:
        decide_notice(draft, call_id, command)
    return draft.decision()


def _decide_user(draft: Draft, call_id: CallId, command: UserCommand) -> None:
    call = draft.view.call
    role = role_of(call, command.user) if call else None
    if call is None or role is None:
        if call is None:
            _remember(draft, call_id, command)
        return draft.refuse_unknown(command.call_id)
    call = spell(draft, call, role, command.shown)
    party = party_of(call, role)
    rule, place = TABLE[call.state][type(command)].get(role), len(draft.steps)
    if rule is None:
        draft.refuse(command.call_id, Forbidden, call)
    else:
        rule(draft, _in_its_form(draft, call, command), role, command)
    event = EVENT_NAMES[type(command)]
    detail = draft.outcome() or (_said(command) if type(command) in _SAYING_MORE else "")
    draft.step(call.id, event, party.shown, command.device, "socket", detail, place=place)
    return None


_SAYING_MORE: Final = frozenset({Decline, Cancel, AnswerVideo})
"""Commands that say something beside their name."""


def _said(command: UserCommand) -> str:
    """Returns what such a command says."""
    if isinstance(command, AnswerVideo):
        return "yes" if command.accepted else "no"
    return reason_given(command.reason) if isinstance(command, Decline | Cancel) else ""


def _remember(draft: Draft, call_id: CallId, command: UserCommand) -> None:
    """Keeps a command whose initiate may still be on its way: push is faster than the socket."""
    kind = OVERTAKING.get(type(command))
    if kind is None:
        return
    draft.remember(
        Early(
            call=call_id,
            user=command.user,
            kind=kind,
            until=draft.after(draft.terms.remember),
            caller=command.user if kind is EarlyKind.CANCEL else None,
            receiver=command.user if kind in (EarlyKind.ACCEPT, EarlyKind.REJECT) else None,
            device=command.device,
            call_id=command.call_id,
            reason=command.reason if isinstance(command, Decline | Cancel) else "",
        )
    )


def _in_its_form(draft: Draft, call: Call, command: UserCommand) -> Call:
    """Notes the form of the call id that a device writes: it is answered in it from now on, and only it."""
    if written_for(call, command.user, command.device) == command.call_id:
        return call
    others = tuple(form for form in call.forms if (form.user, form.device) != (command.user, command.device))
    return draft.change(call, forms=(*others[-MAX_LEGS:], Form(command.user, command.device, command.call_id)))
