"""What takes as long as a ring, or as a grace."""

from onlycare_socket.cli.compare.moves import CALLER, OFFLINE, RECEIVER, STOPPED, dial, end, leave
from onlycare_socket.cli.compare.reasons import row
from onlycare_socket.cli.compare.steps import Ask, Story, Wait

_GRACE_WITHIN = 20.0
"""Seconds in which the ring of a vanished caller stops: 15 of grace (contract section 7, row 9), and some more."""

STORIES = (
    Story(
        name="no-answer",
        about="nobody answers",
        slow=True,
        steps=(dial(), Wait(ring=True, what="the ring ends", hears={CALLER: ("call:timeout",), **STOPPED})),
    ),
    Story(
        name="no-answer-offline",
        about="nobody answers, and the receiver is not connected",
        slow=True,
        steps=(
            leave(RECEIVER),
            dial(answer=OFFLINE | {"state": "ringing"}, hears={}),
            Wait(ring=True, what="the ring ends", hears={CALLER: ("call:timeout",)}, why={"caller": row(1)}),
        ),
    ),
    Story(
        name="caller-vanishes",
        about="the caller's connection is lost while it rings, and does not come back",
        slow=True,
        steps=(dial(), leave(CALLER, hears=STOPPED, why={"receiver": row(10)}, within=_GRACE_WITHIN)),
    ),
    Story(
        name="rest-accept-outlives-ring",
        about="a call that was accepted by REST goes on when the ring's time is over",
        slow=True,
        secret=True,
        steps=(
            dial(),
            Ask(
                path="/api/emit/call-accepted",
                body={"callerId": "<caller>", "receiverId": "<receiver>", "callId": "<call>"},
                answer={"http": 200, "success": True, "emitted": True},
                hears={CALLER: ("call:accepted",)},
            ),
            Wait(ring=True, what="the ring's time passes", why={"caller": row(6), "receiver": row(6)}),
            end(hears=STOPPED, why={"answer": row(6), "receiver": row(6)}),
        ),
    ),
)
