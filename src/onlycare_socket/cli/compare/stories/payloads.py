"""Payloads that are not what they must be, and events that ask for no ack."""

from typing import Any

from onlycare_socket.cli.compare.moves import ABSENT, CALLER, PRESENT, RECEIVER, dial, leave
from onlycare_socket.cli.compare.reasons import row, section
from onlycare_socket.cli.compare.steps import Say, Story, Wait

_REFUSED = {
    "success": False,
    "code": "invalid_payload",
    "error": PRESENT,
    "message": ABSENT,
    "useFcmFallback": ABSENT,
    "callId": PRESENT,
}
_UNREADABLE = _REFUSED | {"callId": ABSENT}
_CHECKED = section(2, "missing, null and mistyped fields are refused")
_WHY = {"answer": _CHECKED, "caller": _CHECKED, "receiver": _CHECKED}
_DIAL = {
    "receiverId": "<receiver>",
    "callId": "<call>",
    "callType": "audio",
    "channelName": "compare",
    "agoraToken": "compare",
}
_CRASHED = {"answer": row(13), "caller": row(13), "receiver": row(13)}
_A_MOMENT = Wait(within=2.0, what="a moment passes", why=_CRASHED)
"""A process that crashes needs it to be gone."""


def _bad(event: str, note: str, *payload: Any, answer: dict[str, Any] = _REFUSED) -> Say:
    who = CALLER if event == "call:initiate" else RECEIVER
    return Say(who=who, event=event, payload=payload, answer=answer, why=_WHY, note=note)


def _dial_with(note: str, answer: dict[str, Any] = _REFUSED, **fields: Any) -> Say:
    return _bad("call:initiate", note, _DIAL | fields, answer=answer)


def _dial_without(field: str, answer: dict[str, Any] = _REFUSED) -> Say:
    return _bad("call:initiate", f"without {field}", {k: v for k, v in _DIAL.items() if k != field}, answer=answer)


def _each(name: str, about: str, *steps: Say) -> tuple[Story, ...]:
    """Returns a story for each step: what an old server makes of one must not reach the next."""
    return tuple(
        Story(
            name=f"{name}-{place}",
            about=f"{about} {step.note}",
            steps=(step, leave(CALLER, why=_WHY), leave(RECEIVER)),
        )
        for place, step in enumerate(steps, 1)
    )


STORIES = (
    *_each(
        "bad-initiate",
        "call:initiate",
        _dial_without("receiverId"),
        _dial_without("callId", _UNREADABLE),
        _dial_without("callType"),
        _dial_with("with a null channelName", channelName=None),
        _dial_with("with a number as receiverId", receiverId=17),
        _dial_with("with a list as callId", _UNREADABLE, callId=["<call>"]),
        _bad("call:initiate", "with null", None, answer=_UNREADABLE),
        _bad("call:initiate", "with a text", "compare", answer=_UNREADABLE),
    ),
    Story(
        name="bad-commands",
        about="commands without a call id that can be read",
        steps=(
            _bad("call:accept", "with nothing in it", {}, answer=_UNREADABLE),
            _bad("call:accept", "with null", None, answer=_UNREADABLE),
            _bad("call:reject", "with a number", {"callId": 17}, answer=_UNREADABLE),
            _bad("call:cancel", "with null", None, answer=_UNREADABLE),
            _bad("call:end", "with a list", [], answer=_UNREADABLE),
        ),
    ),
)

RISKY_STORIES = (
    Story(
        name="initiate-without-ack",
        about="a call:initiate that asks for no ack",
        risky=True,
        steps=(dial(acked=False, note="without an ack", why=_CRASHED), _A_MOMENT),
    ),
    Story(
        name="initiate-without-payload",
        about="a call:initiate with nothing in it",
        risky=True,
        steps=(
            Say(who=CALLER, event="call:initiate", payload=(), answer=_UNREADABLE, why=_CRASHED, note="empty"),
            _A_MOMENT,
        ),
    ),
)
