"""Calls to somebody who is in one."""

from onlycare_socket.cli.compare.moves import ABSENT, BUSY, RECEIVER, RINGS, THIRD, accept, dial
from onlycare_socket.cli.compare.reasons import row, section
from onlycare_socket.cli.compare.steps import Story

_BUSY = BUSY | {"code": "busy"}
_TOLD = {THIRD: ("call:busy",)}
_ROW_7 = {"answer": row(7), "receiver": row(7), "caller": row(7), "third": row(7)}

STORIES = (
    Story(
        name="busy-ringing",
        about="a third user calls somebody whose phone rings",
        third=True,
        steps=(dial(), dial(THIRD, call="<call 2>", answer=_BUSY, hears=_TOLD)),
    ),
    Story(
        name="busy-talking",
        about="a third user calls somebody who talks",
        third=True,
        steps=(dial(), accept(), dial(THIRD, call="<call 2>", answer=_BUSY, hears=_TOLD, why=_ROW_7)),
    ),
    Story(
        name="busy-caller",
        about="a third user calls the one who dialled and talks",
        third=True,
        steps=(dial(), accept(), dial(THIRD, "<caller>", call="<call 2>", answer=_BUSY, hears=_TOLD, why=_ROW_7)),
    ),
    Story(
        name="glare",
        about="two call each other: the first call rings on",
        steps=(
            dial(),
            dial(
                RECEIVER,
                "<caller>",
                call="<call 2>",
                answer=BUSY | {"code": "glare", "winnerCallId": "<call>"},
                hears={RECEIVER: ("call:busy",)},
            ),
        ),
    ),
    Story(
        name="initiate-twice",
        about="the same call:initiate again",
        steps=(
            dial(),
            dial(
                answer=RINGS | {"duplicate": True},
                hears={},
                why={
                    "answer": section(2, "initiate again is answered with the call's state"),
                    "caller": section(2, "initiate again is answered with the call's state"),
                },
                note="again",
            ),
        ),
    ),
    Story(
        name="self-call",
        about="a user calls himself",
        steps=(
            dial(
                receiver="<caller>",
                answer={"success": False, "code": "forbidden", "message": ABSENT, "error": "Cannot call yourself"},
                hears={},
                why={
                    "answer": section(2, "calling oneself is forbidden"),
                    "caller": section(2, "calling oneself is forbidden"),
                },
            ),
        ),
    ),
)
