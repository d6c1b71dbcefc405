"""What becomes of a call when a new process takes it up from a former one, and of one that could not be kept."""

from onlycare_socket.calls.call import Call, Leg, Step
from onlycare_socket.calls.decision import Decision, View
from onlycare_socket.calls.draft import Draft
from onlycare_socket.calls.ending import end
from onlycare_socket.calls.ids import Millis
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import RINGING, STOPPED, Code
from onlycare_socket.calls.terms import Terms


def taken_up(terms: Terms, now: Millis, call: Call, *, clean: bool) -> tuple[Call, Step | None]:
    """Returns a call as it goes on from now, and the line of its timeline that says so if it is live.

    What passed meanwhile fires at once. No deadline is further away than its full time, whatever became of the wall
    clock. Nobody is connected yet, so the parties have their grace anew (design section 3). `clean`: the former process
    came to its end and said what was never confirmed; else what was told lately counts as untold.
    """
    if not clean:
        call = _untold(terms, now, call)
    if not call.live:
        return call, None
    if call.state is RINGING:
        call = replace(
            call,
            version=call.version + 1,
            ring_at=_at_most(call.ring_at, now + terms.ring_timeout),
            caller_grace_at=Millis(now + terms.caller_grace),
        )
    else:
        call = replace(
            call,
            version=call.version + 1,
            max_duration_at=_at_most(call.max_duration_at, now + terms.max_duration),
            upgrade_at=_at_most(call.upgrade_at, now + terms.upgrade_timeout),
            call_grace_at=Millis(now + terms.call_grace),
        )
    return call, Step(now, "taken up", channel="server", detail="the server was started anew")


def not_kept(terms: Terms, view: View) -> Decision:
    """Ends a call whose initiate could not be made durable, and that nobody has heard of: he who dialled is refused."""
    draft = Draft(terms, view)
    if view.call is not None and view.call.live and view.call.version == 1:
        end(draft, view.call, Code.UNAVAILABLE)
    return draft.decision()


def _untold(terms: Terms, now: Millis, call: Call) -> Call:
    """Returns the call with nobody told of its last change, if that is young enough to be told at a connect.

    Who confirmed it was known to the process that is gone. A device that is told twice takes no harm; the one that
    ended the call by itself needs not be told.
    """
    since = call.ended or call.accepted
    if since is None or now - since > terms.resume:
        return call
    legs = tuple([leg if _ended_it(call, leg) else replace(leg, accepted=False, ended=False) for leg in call.legs])
    return call if legs == call.legs else replace(call, version=call.version + 1, legs=legs)


def _ended_it(call: Call, leg: Leg) -> bool:
    by = next((party for party in (call.caller, call.receiver) if party.shown == call.ended_by), None)
    return by is not None and leg.user == by.user and leg.state is not STOPPED


def _at_most(at: Millis | None, latest: int) -> Millis | None:
    return None if at is None else Millis(min(at, latest))
