"""What Laravel and the operators' tools ask by HTTP."""

from collections.abc import Mapping
from typing import Any

from onlycare_socket.cli.compare.moves import (
    ABSENT,
    CALLER,
    NOTHING,
    PRESENT,
    RECEIVER,
    STOPPED,
    TOLD_ACCEPTED,
    Hears,
    Why,
    accept,
    dial,
    end,
    leave,
)
from onlycare_socket.cli.compare.reasons import row, section
from onlycare_socket.cli.compare.steps import Ask, Step, Story

_PARTIES = {"callerId": "<caller>", "receiverId": "<receiver>", "callId": "<call>"}
_GUARDED = section(4, "asked from elsewhere it needs the secret")
_REFUSED_ELSEWHERE = {
    f"answer.{name}": _GUARDED for name in ("http", "userId", "isOnline", "socketId", "count", "users")
}
_DONE = {"http": 200, "success": True, "emitted": True, "body": ABSENT}
_ONLINE = {"http": 200, "isOnline": True}


def _emit(
    what: str,
    body: Mapping[str, Any] = _PARTIES,
    answer: Mapping[str, Any] = _DONE,
    hears: Hears = NOTHING,
    why: Why = NOTHING,
    *,
    secret: bool = True,
    note: str = "",
) -> Ask:
    return Ask(path=f"/api/emit/{what}", body=body, answer=answer, hears=hears, why=why, secret=secret, note=note)


def _story(name: str, about: str, *steps: Step) -> Story:
    return Story(name=name, about=about, secret=True, steps=steps)


STORIES = (
    Story(
        name="health",
        about="GET /health",
        steps=(Ask(path="/health", answer={"http": 200, "status": "OK"}, secret=False),),
    ),
    Story(
        name="emit-without-secret",
        about="what needs the secret, without it",
        steps=(
            _emit("call-accepted", answer={"http": 401, "error": "Unauthorized"}, secret=False),
            _emit("call-cancelled", answer={"http": 401, "error": "Unauthorized"}, secret=False),
        ),
    ),
    Story(
        name="online-without-secret",
        about="who is online, asked as the deployed backend does",
        steps=(
            Ask(path="/api/users/<receiver>/online", secret=False, why=_REFUSED_ELSEWHERE, note="without the secret"),
            Ask(path="/api/connected-users", secret=False, why=_REFUSED_ELSEWHERE, note="without the secret"),
        ),
    ),
    _story(
        "online",
        "who is online",
        Ask(path="/api/users/<receiver>/online", answer=_ONLINE),
        Ask(path="/api/connected-users", answer={"http": 200, "users": PRESENT}),
        leave(RECEIVER),
        Ask(path="/api/users/<receiver>/online", answer={"http": 200, "isOnline": False}),
    ),
    Story(
        name="online-forms",
        about="whether 5 is online, asked with another form of that id",
        secret=True,
        numbered=True,
        steps=(
            Ask(
                path="/api/users/<receiver, doubled>/online",
                answer=_ONLINE | {"socketId": PRESENT},
                why={"answer": row(5)},
            ),
        ),
    ),
    _story(
        "rest-accept",
        "the receiver accepts by REST",
        dial(),
        _emit("call-accepted", hears=TOLD_ACCEPTED),
        end(hears=STOPPED),
    ),
    _story(
        "rest-cancel",
        "the caller cancels by REST",
        dial(),
        _emit("call-cancelled", hears={CALLER: ("call:ended",), **STOPPED}),
    ),
    _story(
        "rest-reject",
        "the receiver rejects by REST",
        dial(),
        _emit("call-rejected", hears={CALLER: ("call:rejected",), **STOPPED}, why={"answer": row(2), "caller": row(2)}),
    ),
    _story(
        "rest-end",
        "a party hangs up by REST",
        dial(),
        accept(),
        _emit(
            "call-ended",
            {**_PARTIES, "endedBy": "<caller>"},
            hears={CALLER: ("call:ended",), RECEIVER: ("call:ended",)},
            why={"answer": section(4, "/api/emit/call-ended is new")},
        ),
    ),
    _story(
        "timeline",
        "every step of one call",
        dial(),
        Ask(
            path="/api/calls/<call>/timeline",
            answer={"http": 200, "steps": PRESENT, "body": ABSENT},
            why={"answer": row(20)},
        ),
    ),
)
