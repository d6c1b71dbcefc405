"""The rules of an accepted call."""

from onlycare_socket.calls.answering import elsewhere, name_winner
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.draft import Draft
from onlycare_socket.calls.ending import end_talk, stop_ring, tell_party
from onlycare_socket.calls.errors import Conflict
from onlycare_socket.calls.messages import UpgradeRequest, UpgradeResponse
from onlycare_socket.calls.parts import party_of
from onlycare_socket.calls.records import UNSET
from onlycare_socket.calls.states import ANSWERED_ELSEWHERE, CALLER, COMPLETED, ENDED, RECEIVER, Role
from onlycare_socket.calls.user_commands import AnswerVideo, HangUp, UserCommand


def answer_again(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same; an open winner is named and the other devices stop, a second device stops"""
    if call.receiver.device is None:
        call = name_winner(draft, call, command.device)
        draft.accept(command.call_id, call.state, duplicate=True)
        stop_ring(draft, call, code=ANSWERED_ELSEWHERE, but=command.device)
    elif call.receiver.device == command.device:
        draft.accept(command.call_id, call.state, duplicate=True)
    else:
        elsewhere(draft, call, command)


def decline_late(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same: a conflict for the winner, answered elsewhere for any other device"""
    if call.receiver.device == command.device:
        draft.refuse(command.call_id, Conflict, call)
    else:
        elsewhere(draft, call, command)


def hang_up(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """ended(completed): the other party and the ender's other devices are told"""
    winner = call.receiver.device
    here = command.here if isinstance(command, HangUp) else ()
    if role is RECEIVER and winner not in (None, command.device) and winner in here:
        return elsewhere(draft, call, command)
    draft.accept(command.call_id, ENDED)
    end_talk(draft, call, COMPLETED, by=role, device=command.device)
    return None


def report_state(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same; the ack has the state"""
    draft.accept(command.call_id, call.state)


def ask_video(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same, a wish for video is pending; asked by both it is granted"""
    if call.call_type.lower() == "video" or call.upgrade_by == command.user:
        draft.accept(command.call_id, call.state, duplicate=True)
    elif call.upgrade_by is not None:
        _grant_video(draft, call, role, command, True)
    else:
        call = draft.change(call, upgrade_by=command.user, upgrade_at=draft.after(draft.terms.upgrade_timeout))
        draft.accept(command.call_id, call.state)
        other = RECEIVER if role is CALLER else CALLER
        request = UpgradeRequest(
            call_id=party_of(call, other).call_id, sender_id=party_of(call, role).shown, timestamp=draft.now
        )
        tell_party(draft, call, other, request)


def answer_video(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same, the type changes if granted; the asker is told"""
    if call.upgrade_by is None or call.upgrade_by == command.user or not isinstance(command, AnswerVideo):
        draft.refuse(command.call_id, Conflict, call, "No open request for video")
    else:
        _grant_video(draft, call, role, command, command.accepted, command.reason)


def _grant_video(draft: Draft, call: Call, role: Role, command: UserCommand, granted: bool, reason: str = "") -> None:
    call_type = _video_like(call.call_type) if granted else call.call_type
    call = draft.change(call, call_type=call_type, upgrade_by=None, upgrade_at=None)
    draft.accept(command.call_id, call.state)
    asker = RECEIVER if role is CALLER else CALLER
    response = UpgradeResponse(
        call_id=party_of(call, asker).call_id,
        accepted=granted,
        timestamp=draft.now,
        reason=reason or UNSET,
    )
    tell_party(draft, call, asker, response)


def _video_like(call_type: str) -> str:
    if call_type.isupper():
        return "VIDEO"
    return "Video" if call_type[:1].isupper() else "video"
