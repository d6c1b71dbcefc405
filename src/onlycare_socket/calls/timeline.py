"""The sentences at the end of a timeline: why the call ended and, if it did not ring, why not."""

from collections import Counter
from collections.abc import Sequence

from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import Code, State
from onlycare_socket.calls.telling import NOBODY_PUSHES

LEFT_OUT = "left out"
"""A step that stands for others; its detail is how many they are."""

_WHY: dict[Code, str] = {
    Code.COMPLETED: "{by} hung up",
    Code.CANCELLED: "{by} cancelled before anybody answered",
    Code.DECLINED: "{by} declined",
    Code.NO_ANSWER: "Nobody answered in time",
    Code.UNREACHABLE: "No phone of {receiver} could be reached, by socket or by push",
    Code.GLARE: "The two dialled each other",
    Code.SUPERSEDED: "It gave way to another call",
    Code.UNAVAILABLE: "The server could not keep it at that moment, so the caller was refused",
    Code.MAX_DURATION: "It reached the longest time that a call may take",
}
_TALKED = {Code.DECLINED, Code.COMPLETED, Code.MAX_DURATION}
"""Ends that show by themselves that a phone rang, or was in no need to."""


def leave_one_out(steps: list[Step], place: int) -> None:
    """Makes a timeline one shorter: a step at this place says how many are left out there."""
    here = steps[place]
    left_out = int(here.detail) + 1 if here.what == LEFT_OUT else 2
    steps[place : place + 2] = [replace(here, what=LEFT_OUT, detail=str(left_out))]


def summary(call: Call, steps: Sequence[Step]) -> str:
    """Returns what happened as an operator would tell it: who and when, why it ended, and why it did not ring."""
    sentences = (_story(call), _why(call, steps), _ringing(call, steps), _left_out(steps))
    return " ".join(sentence for sentence in sentences if sentence)


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


# ---------------------------------------------------------------- why it ended


def _why(call: Call, steps: Sequence[Step]) -> str:
    code = call.code
    if code is None:
        return ""
    if code is Code.BUSY:
        return _because(call, steps)
    if code is Code.CONNECTION_LOST:
        if call.accepted is None:
            return f"{call.caller.shown} lost the connection while it rang, and did not come back in time."
        return "Neither of the two was connected any more, and neither came back in time."
    if code is Code.TERMINATED_BY_SERVER:
        repaired = _detail(steps, "repaired")
        return f"The server repaired a fault of its own: {repaired}." if repaired else "An operator ended it."
    if code is Code.COMPLETED and call.ended_by is None:
        return "The backend said that it was over."
    if code not in _WHY:
        return ""
    why = _WHY[code].format(by=call.ended_by or "The backend", receiver=call.receiver.shown)
    if code in (Code.CANCELLED, Code.DECLINED):
        return f'{why}: "{call.reason}".' if call.reason else f"{why}."
    more = _detail(steps, code.value) or _detail(steps, "gave way")
    return f"{why}: {more}." if more else f"{why}."


def _because(call: Call, steps: Sequence[Step]) -> str:
    """Says why a call was refused as busy, or gave way to one that the receiver dialled while it rang."""
    if call.refused:
        return f"{_detail(steps, Code.BUSY) or 'One of the two was in another call'}."
    return f"It gave way: {_detail(steps, 'gave way') or f'{call.receiver.shown} dialled another call'} while it rang."


def _detail(steps: Sequence[Step], what: str) -> str:
    return next((step.detail for step in reversed(steps) if step.what == what), "")


# ---------------------------------------------------------------- whether it rang


def _ringing(call: Call, steps: Sequence[Step]) -> str:
    if call.refused:
        return "It never rang."
    if not steps:
        return "Its steps are not kept any more."
    sent = {device for step in steps if step.what == "told" and step.detail == "call:incoming" for device in step.told}
    if sent:
        return _sent(call, steps, sent)
    if any(step.detail.startswith("overtaken by") for step in steps):
        return "It never rang: its end had come before it was dialled."
    if call.accepted is not None:
        return "No phone rang over a socket before it was accepted."
    who = call.receiver.shown
    if _detail(steps, "push") == NOBODY_PUSHES:
        return f"It never rang: {who} had no connected phone, and nobody pushes."
    return f"No phone rang over a socket: {who} had none connected, so it rang by push if at all."


def _sent(call: Call, steps: Sequence[Step], sent: set[str]) -> str:
    """Says what is known of the phones that were told to ring, where the end leaves it open."""
    legs = [leg for leg in call.legs if leg.user == call.receiver.user and leg.device in sent]
    if legs and all(leg.missed for leg in legs):
        return "It was sent to the receiver's phones, but none of them showed a sign of life."
    if call.live or call.accepted is not None or call.code in _TALKED:
        return ""
    signs = Counter(_sign(steps, device) for device in sent)
    if len(sent) == 1:
        return f"It was sent to 1 phone, which {next(iter(signs))}."
    of_them = ", ".join(f"{number} {sign}" for sign, number in sorted(signs.items()))
    return f"It was sent to {len(sent)} phones: {of_them}."


def _sign(steps: Sequence[Step], device: str) -> str:
    """Returns the surest that a phone said of itself while it rang."""
    of_phone = {(step.what, step.detail) for step in steps if step.device == device}
    if ("call:ringing", "") in of_phone:
        return "said that it rang"
    if any(what == "there" for what, _ in of_phone):
        return "answered the ping, but did not say that it rang"
    if any(what == "silent" for what, _ in of_phone):
        return "showed no sign of life"
    if ("unheard", "call:incoming") in of_phone:
        return "lost the connection before any sign of life"
    return "did not say that it rang"


def _left_out(steps: Sequence[Step]) -> str:
    number = _detail(steps, LEFT_OUT)
    return f"{number} steps in the middle are left out." if number else ""


def _seconds(ms: int) -> str:
    return f"{max(0, ms) / 1000:.1f} s"
