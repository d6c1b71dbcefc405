"""What must hold of all calls together, and how a breach of it is put right.

- A live call has the deadline of its state: every ring ends, and so does every talk.
- A user is in one live call at the most.
- No device rings for a call that has ended.

The rules keep all of it by themselves. So what is found is a fault of ours: it is repaired as an ordinary decision,
which everybody concerned hears of, and it is counted and logged.
"""

from onlycare_socket.calls.backend import terminate
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.commands import Repair
from onlycare_socket.calls.draft import Draft
from onlycare_socket.calls.effects import Unpush
from onlycare_socket.calls.ending import TellEnd
from onlycare_socket.calls.ids import CallId, UserId
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import ACCEPTED, ENDED, RECEIVER, RINGING, RUNG_LEGS, STOPPED, Flaw


class Finding:
    """What is wrong with a call; `other` is the call that goes on when a user is in both."""

    __slots__ = ("call", "flaw", "other")

    def __init__(self, call: CallId, flaw: Flaw, other: CallId | None = None) -> None:
        self.call = call
        self.flaw = flaw
        self.other = other


class Audit:
    """Looks at calls one after the other, and remembers who is in which live one."""

    def __init__(self) -> None:
        self._live: dict[UserId, Call] = {}

    def look(self, call: Call) -> list[Finding]:
        """Returns what is wrong with a call, by itself and together with those that were looked at before."""
        found: list[Finding] = []
        if call.state is ENDED:
            if _rung(call):
                found.append(Finding(call.id, Flaw.RINGS_AFTER_END))
            return found
        if not _has_deadline(call):
            found.append(Finding(call.id, Flaw.NO_DEADLINE))
        clash = self._meet(call.receiver.user, call) or self._meet(call.caller.user, call)
        if clash is not None:
            found.append(clash)
        return found

    def _meet(self, user: UserId, call: Call) -> Finding | None:
        """Notes that a user is in a live call; he must not be in another one."""
        known = self._live.setdefault(user, call)
        if known is call or known.id == call.id:
            return None
        goes_on, ends = _by_rank(known, call)
        self._live[user] = goes_on
        return Finding(ends.id, Flaw.TWO_CALLS, goes_on.id)


def _has_deadline(call: Call) -> bool:
    return (call.ring_at if call.state is RINGING else call.max_duration_at) is not None


def _rung(call: Call) -> bool:
    receiver = call.receiver.user
    return any(leg.state in RUNG_LEGS and leg.user == receiver for leg in call.legs)


def _by_rank(one: Call, other: Call) -> tuple[Call, Call]:
    """Returns the call that goes on and the one that ends: a talk goes on rather than a ring, a newer one of two."""
    if one.state is not other.state:
        return (one, other) if one.state is ACCEPTED else (other, one)
    return (one, other) if (one.created, one.id) > (other.created, other.id) else (other, one)


# ---------------------------------------------------------------- repairing


def repair(draft: Draft, call: Call, command: Repair) -> None:
    """Puts a call right, if it still needs it."""
    flaw = command.flaw
    if flaw is Flaw.NO_DEADLINE:
        if call.live and not _has_deadline(call):
            _note(draft, call, "it had no deadline, and has one now")
            _begin_anew(draft, call)
    elif flaw is Flaw.RINGS_AFTER_END:
        if not call.live and _rung(call):
            _note(draft, call, "a device still rang, and was stopped")
            _silence(draft, call)
    elif call.live and command.goes_on:
        _note(draft, call, "somebody was in another call as well, which was ended")
        _begin_anew(draft, call)
    elif call.live:
        _note(draft, call, f"somebody was in call {command.other} as well, which goes on")
        terminate(draft, call)


def _note(draft: Draft, call: Call, what: str) -> None:
    draft.step(call.id, "repaired", channel="server", detail=what)


def _begin_anew(draft: Draft, call: Call) -> None:
    """Gives a call the deadlines that it lacks, and its parties their grace: who left may not have been noticed."""
    terms = draft.terms
    if call.state is RINGING:
        at = call.ring_at or draft.after(terms.ring_timeout)
        draft.change(call, ring_at=at, caller_grace_at=draft.after(terms.caller_grace))
    else:
        at = call.max_duration_at or draft.after(terms.max_duration)
        draft.change(call, max_duration_at=at, call_grace_at=draft.after(terms.call_grace))


def _silence(draft: Draft, call: Call) -> None:
    receiver = call.receiver.user
    ringing = [leg for leg in call.legs if leg.state in RUNG_LEGS and leg.user == receiver]
    untold = frozenset([leg.device for leg in ringing if not leg.ended])
    legs = tuple([replace(leg, state=STOPPED) if leg in ringing else leg for leg in call.legs])
    call = draft.change(call, legs=legs)
    draft.do(TellEnd(call, RECEIVER, draft.now, stops=True, ringing=untold))
    draft.do(Unpush(call))
