"""The sentence at the end of a timeline: why the call ended and, if it did not ring, why not."""

from collections.abc import Sequence

from onlycare_socket.calls.call import Call, Code, State, Step

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
    """Returns one or two sentences for the operator."""
    return f"{_standing(call)} {_ringing(call, steps)}".strip()


def _standing(call: Call) -> str:
    if call.state is State.RINGING:
        return "It is ringing."
    if call.state is State.ACCEPTED:
        return "It was accepted and goes on."
    why = _WHY.get(call.code or Code.EXPIRED, "It ended: {code}.")
    return why.format(by=call.ended_by or "The backend", code=(call.code or Code.EXPIRED).value)


def _ringing(call: Call, steps: Sequence[Step]) -> str:
    if call.refused:
        return "It never rang: it was refused as it was dialled."
    receivers = [leg for leg in call.legs if leg.user == call.receiver.user]
    if any(step.what == "told" and step.detail == "call:incoming" for step in steps):
        if receivers and all(leg.missed for leg in receivers):
            return "It was sent to the receiver's phones, but none of them showed a sign of life."
        return ""
    if call.accepted is not None:
        return "No phone rang over a socket: it was accepted by push, by the backend or before it was dialled."
    if any(step.detail.startswith("overtaken by") for step in steps):
        return "It never rang: its end had come before it was dialled."
    return "No phone rang over a socket: the receiver had none, so it rang by push if at all."
