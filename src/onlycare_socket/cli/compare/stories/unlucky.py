"""Commands that come too early, too late, twice, or with another form of an id."""

from onlycare_socket.cli.compare.moves import (
    CALLER,
    ENDED,
    OFFLINE,
    RECEIVER,
    TOLD_ACCEPTED,
    TOLD_ENDED,
    UNKNOWN,
    accept,
    arrive,
    cancel,
    dial,
    end,
    leave,
    reject,
)
from onlycare_socket.cli.compare.reasons import row, section
from onlycare_socket.cli.compare.steps import Story

_NO_EFFECT = section(2, "a command that took effect already has no other")

STORIES = (
    Story(
        name="offline",
        about="a call to somebody who is not connected, who then comes and accepts",
        steps=(
            leave(RECEIVER),
            dial(answer=OFFLINE | {"state": "ringing"}, hears={}),
            arrive(RECEIVER, hears={RECEIVER: ("call:incoming",)}, why={"receiver": row(1)}),
            accept(why={"answer": row(1), "caller": row(1)}),
            end(why={"answer": row(1), "receiver": row(1)}),
        ),
    ),
    Story(
        name="offline-cancel",
        about="a call to somebody who is not connected, cancelled",
        steps=(
            leave(RECEIVER),
            dial(answer=OFFLINE | {"state": "ringing"}, hears={}),
            cancel(hears={}, why={"answer": row(1)}),
        ),
    ),
    Story(
        name="early-reject",
        about="a reject that overtakes the call:initiate",
        steps=(
            reject(answer=UNKNOWN, hears={}),
            dial(
                answer={"success": True, "state": "ended"},
                hears={CALLER: ("call:rejected",)},
                why={"answer": row(3), "caller": row(3), "receiver": row(3)},
            ),
        ),
    ),
    Story(
        name="early-accept",
        about="an accept that overtakes the call:initiate",
        steps=(
            accept(answer=UNKNOWN, hears={}),
            dial(
                answer={"success": True, "state": "accepted"},
                hears=TOLD_ACCEPTED,
                why={"answer": row(3), "caller": row(3), "receiver": row(3)},
            ),
            end(why={"answer": row(3), "receiver": row(3)}),
        ),
    ),
    Story(
        name="accept-after-cancel",
        about="an accept that comes after the cancel",
        steps=(
            dial(),
            cancel(),
            accept(
                answer={"success": False, "code": "cancelled", "state": "ended"},
                hears=TOLD_ENDED,
                why={"answer": row(15), "receiver": row(15), "caller": row(15)},
            ),
        ),
    ),
    Story(
        name="accept-twice",
        about="the same accept again",
        steps=(
            dial(),
            accept(),
            accept(
                answer={"success": True, "state": "accepted", "duplicate": True},
                hears={},
                why={"answer": _NO_EFFECT, "caller": _NO_EFFECT},
                note="again",
            ),
        ),
    ),
    Story(
        name="end-twice",
        about="both hang up",
        steps=(
            dial(),
            accept(),
            end(),
            end(RECEIVER, answer=ENDED | {"duplicate": True}, hears={}, why={"answer": row(16), "caller": row(16)}),
        ),
    ),
    Story(
        name="unknown-call",
        about="commands about a call that nobody dialled",
        steps=(
            accept(answer=UNKNOWN, hears={}),
            reject(answer=UNKNOWN, hears={}),
            cancel(answer=UNKNOWN, hears={}),
            end(answer=UNKNOWN, hears={}),
        ),
    ),
    Story(
        name="call-id-forms",
        about="CALL_17 is dialled, 17 is accepted and ended",
        steps=(
            dial(),
            accept(call="<call, bare>", why={"answer": row(4), "caller": row(4)}),
            end(call="<call, bare>", why={"answer": row(4), "receiver": row(4)}),
        ),
    ),
    Story(
        name="call-id-forms-reject",
        about="CALL_17 is dialled, 17 is rejected",
        steps=(dial(), reject(call="<call, bare>", why={"caller.callId": row(4)})),
    ),
)
