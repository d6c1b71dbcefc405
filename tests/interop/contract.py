"""What every event of the server owes the phone, field by field (contract section 3).

The Android app reads fields with `getString` and `getLong`: a missing one drops the event, a null becomes the
text "null". So required fields are there with their type, optional ones are right or absent, and nothing is null.
Extra fields are allowed.
"""

import re
from collections.abc import Callable
from typing import Any, Final

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _filled(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _millis(value: Any) -> bool:
    return _whole(value) and 1_500_000_000_000 < value < 5_000_000_000_000


def _balance(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d+:[0-5]\d", value) is not None and value != "0:00"


_ENDING: Final[dict[str, Check]] = {"callId": _filled, "reason": _filled, "timestamp": _millis, "code": _filled}
_PRESENCE: Final[dict[str, Check]] = {"userId": _filled, "timestamp": _millis}

EVENTS: Final[dict[str, dict[str, Check]]] = {
    "call:incoming": {
        "callId": _filled,
        "callerId": _filled,
        "callerName": _text,
        "callType": _filled,
        "channelName": _text,
        "agoraToken": _text,
        "timestamp": _millis,
        "expiresAt": _millis,
        "agoraAppId?": _filled,
        "balanceTime?": _balance,
        "resumed?": _flag,
    },
    "call:accepted": {"callId": _filled, "receiverId": _filled, "timestamp": _millis},
    "call:rejected": _ENDING,
    "call:timeout": _ENDING,
    "call:busy": {"callId": _filled},
    "call:ringing": {"callId": _filled, "timestamp": _millis},
    "call:cancelled": _ENDING,
    "call:ended": {**_ENDING, "endedBy?": _filled, "durationMs?": _whole},
    "call:reject:confirmed": {"callId": _filled},
    "call:upgrade:request": {"callId": _filled, "senderId": _filled, "timestamp": _millis},
    "call:upgrade:response": {"callId": _filled, "accepted": _flag, "timestamp": _millis, "reason?": _filled},
    "user:online": _PRESENCE,
    "user:offline": _PRESENCE,
}

SYNCED_CALL: Final[dict[str, Check]] = {
    "callId": _filled,
    "role": lambda value: value in ("caller", "receiver"),
    "peerId": _filled,
    "callType": _filled,
    "state": lambda value: value in ("ringing", "accepted", "ended"),
    "code?": _filled,
    "expiresAt?": _millis,
    "timestamp": _millis,
}
"""One entry of the answer to `call:sync`."""


def check_event(name: str, args: list[Any]) -> dict[str, Any]:
    """Returns the payload of an event that keeps its promise; raises AssertionError that says what it breaks."""
    assert name in EVENTS, f"the contract knows no event {name!r}"
    assert len(args) == 1, f"{name} carries {len(args)} arguments instead of one object: {args}"
    return check_fields(name, args[0], EVENTS[name])


def check_fields(what: str, payload: Any, fields: dict[str, Check]) -> dict[str, Any]:
    """Returns the object if every field is as it must be; a name that ends in ? may be absent."""
    assert isinstance(payload, dict), f"{what} is {payload!r}, not an object"
    check_no_null(what, payload)
    for name, check in fields.items():
        field, optional = name.removesuffix("?"), name.endswith("?")
        if field in payload:
            assert check(payload[field]), f"{what}.{field} is {payload[field]!r}"
        else:
            assert optional, f"{what} lacks {field}: {payload}"
    return payload


def check_ack(event: str, args: list[Any]) -> dict[str, Any]:
    """Returns the answer to a command: one object, `success` in it, and an error in words with every refusal."""
    assert len(args) == 1, f"the ack of {event} carries {len(args)} arguments: {args}"
    answer = args[0]
    assert isinstance(answer, dict), f"the ack of {event} is {answer!r}"
    check_no_null(f"the ack of {event}", answer)
    assert isinstance(answer.get("success"), bool), f"the ack of {event} lacks success: {answer}"
    if not answer["success"]:
        assert _filled(answer.get("error")), f"the refusal of {event} has no words: {answer}"
        assert answer.get("useFcmFallback") or _filled(answer.get("code")), f"and no code: {answer}"
    if "expiresAt" in answer:
        assert _millis(answer["expiresAt"]), answer
    return answer


def check_no_null(what: str, value: Any) -> None:
    """Raises AssertionError if there is a null anywhere inside."""
    if isinstance(value, dict):
        for name, inner in value.items():
            check_no_null(f"{what}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            check_no_null(what, inner)
    else:
        assert value is not None, f"{what} is null"
