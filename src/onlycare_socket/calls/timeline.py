"""The sentence at the end of a timeline: why the call ended and, if it did not ring, why not."""

from collections.abc import Sequence

from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.states import Code, State

_WHY: dict[Code, str] = {
    Code.COMPLETED: "{by} hung up.",
    Code.CANCELLED: "{by} cancelled before anybody answered.",
    Code.DECLINED: "{by} declined.",
    Code.NO_ANSWER: "Nobody answered in time.",
    Code.UNREACHABLE: "No phone of the receiver could be reached.",
    Code.CONNECTION_LOST: "The connection was lost and did not come back in time.",
    Code.BUSY: "One of the two was in another call.",
    Code.GLARE: "The two dialled each other at the same moment; the other call went on.",
    Code.SUPERSEDED: "It gave way to a newer call of one of the two.",
    Code.MAX_DURATION: "It reached the longest time that a call may take.",
    Code.TERMINATED_BY_SERVER: "An operator ended it.",
}


def summary(call: Call, steps: Sequence[Step]) -> str:
    """Returns what happened as an operator would tell it: who and when, why it ended, and why it did not ring."""
    return " ".join(part for part in (_story(call), _why(call), _ringing(call, steps)) if part)


def _story(call: Call) -> str:
    who = f"{call.caller.shown} called {call.receiver.shown} ({call.call_type.lower()})"
    rang = _seconds((call.accepted or call.ended or call.created) - call.created)
    if call.state is State.RINGING:
        return f"{who}: ringing."
    if call.state is State.ACCEPTED:
        return f"{who}: answered after {rang}, talking."
    code = call.code or Code.EXPIRED
    if call.duration is None:
        return f"{who}: {code} after {rang}."
    return f"{who}: answered after {rang}, {code} after {_seconds(call.duration)} of talk."


def _why(call: Call) -> str:
    if call.code is None:
        return ""
    return _WHY.get(call.code, "").format(by=call.ended_by or "The backend")


def _ringing(call: Call, steps: Sequence[Step]) -> str:
    if call.refused:
        return "It never rang."
    if any(step.what == "told" and step.detail == "call:incoming" for step in steps):
        legs = [leg for leg in call.legs if leg.user == call.receiver.user]
        silent = bool(legs) and all(leg.missed for leg in legs)
        return "It was sent to the receiver's phones, but none of them showed a sign of life." if silent else ""
    if any(step.detail.startswith("overtaken by") for step in steps):
        return "It never rang: its end had come before it was dialled."
    if call.accepted is not None:
        return "No phone rang over a socket before it was accepted."
    return "No phone rang over a socket: the receiver had none, so it rang by push if at all."


def _seconds(ms: int) -> str:
    return f"{max(0, ms) / 1000:.1f} s"
