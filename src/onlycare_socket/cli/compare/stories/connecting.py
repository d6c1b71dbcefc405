"""Who is let in, and who is not."""

from collections.abc import Mapping
from typing import Any

from onlycare_socket.cli.compare.moves import (
    ABSENT,
    CALLER,
    LET_IN,
    NOTHING,
    RECEIVER,
    VISITOR,
    Hears,
    Why,
    dial,
    leave,
)
from onlycare_socket.cli.compare.reasons import row
from onlycare_socket.cli.compare.steps import Arrive, Story

_ROW_5 = {"answer": row(5), "receiver": row(5)}


def _refused(note: str, auth: Mapping[str, Any], message: str) -> Arrive:
    return Arrive(who=VISITOR, auth=auth, answer={"refused": message, "connected": ABSENT}, note=note)


def _form(form: str, hears: Hears = NOTHING, why: Why = _ROW_5) -> Arrive:
    auth = {"token": "<token of receiver>", "userId": f"<receiver, {form}>"}
    return Arrive(who=RECEIVER, auth=auth, answer=LET_IN, hears=hears, why=why, note=f"as <receiver, {form}>")


STORIES = (
    Story(
        name="no-credentials",
        about="a CONNECT without a token or a user id",
        steps=(
            _refused("with nothing", {}, "Authentication required"),
            _refused("with a null token", {"token": None, "userId": "<caller>"}, "Authentication required"),
            _refused("with an empty token", {"token": "", "userId": "<caller>"}, "Authentication required"),
            _refused("without a user id", {"token": "<token of caller>"}, "Authentication required"),
            _refused("with a number as token", {"token": 17, "userId": "<caller>"}, "Authentication failed"),
        ),
    ),
    Story(
        name="bad-token",
        about="a token that nobody issued",
        steps=(_refused("with a wrong token", {"token": "0|compare", "userId": "<caller>"}, "Invalid token"),),
    ),
    Story(
        name="wrong-user",
        about="a token of another user",
        steps=(
            _refused(
                "as the receiver with the token of caller",
                {"token": "<token of caller>", "userId": "<receiver>"},
                "Invalid token",
            ),
        ),
    ),
    Story(
        name="user-id-forms",
        about="5, USR_5 and USR_USR_5 are one user",
        numbered=True,
        steps=(
            leave(RECEIVER),
            _form("bare"),
            _form("prefixed"),
            _form("doubled"),
            dial(hears={RECEIVER: ("call:incoming",)}, why=_ROW_5),
            leave(RECEIVER, why=_ROW_5),
        ),
    ),
    Story(
        name="receiver-id-forms",
        about="a call to 5 under another form of that id",
        numbered=True,
        steps=(dial(CALLER, "<receiver, doubled>", why=_ROW_5),),
    ),
)
