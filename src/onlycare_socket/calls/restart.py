"""What becomes of a live call when a new process takes it up from a former one."""

from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.ids import Millis
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import RINGING
from onlycare_socket.calls.terms import Terms


def taken_up(terms: Terms, now: Millis, call: Call) -> tuple[Call, Step]:
    """Returns the call as it goes on from now, and the line of its timeline that says so.

    What passed meanwhile fires at once. No deadline is further away than its full time, whatever became of the wall
    clock. Nobody is connected yet, so the parties have their grace anew (design section 3).
    """
    step = Step(now, "taken up", channel="server", detail="the server was started anew")
    if call.state is RINGING:
        changed = replace(
            call,
            version=call.version + 1,
            ring_at=_at_most(call.ring_at, now + terms.ring_timeout),
            caller_grace_at=Millis(now + terms.caller_grace),
        )
    else:
        changed = replace(
            call,
            version=call.version + 1,
            max_duration_at=_at_most(call.max_duration_at, now + terms.max_duration),
            upgrade_at=_at_most(call.upgrade_at, now + terms.upgrade_timeout),
            call_grace_at=Millis(now + terms.call_grace),
        )
    return changed, step


def _at_most(at: Millis | None, latest: int) -> Millis | None:
    return None if at is None else Millis(min(at, latest))
