"""The rules of a call that has ended: nothing changes any more, and whoever comes late is told."""

from onlycare_socket.calls.answering import confirm
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.draft import Draft
from onlycare_socket.calls.effects import Ack, Tell
from onlycare_socket.calls.ending import ended_event
from onlycare_socket.calls.messages import Reply
from onlycare_socket.calls.states import Code, Role
from onlycare_socket.calls.user_commands import Decline, UserCommand


def too_late(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same; the device is told how the call ended"""
    code = call.code or Code.EXPIRED
    reply = Reply(success=False, error="Call has already ended", code=code, call_id=command.call_id, state=call.state)
    draft.do(Ack(reply))
    event = ended_event(call, role, draft.now)
    draft.do(Tell(user=command.user, call=call.id, events=(event,), device=command.device))


def already_over(draft: Draft, call: Call, role: Role, command: UserCommand) -> None:
    """the same, duplicate"""
    draft.accept(command.call_id, call.state, call.code, duplicate=True)
    if isinstance(command, Decline):
        confirm(draft, call, command)
