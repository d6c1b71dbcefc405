"""Calls as they are meant to go."""

from onlycare_socket.cli.compare.moves import (
    CALLER,
    RECEIVER,
    STOPPED,
    TOLD_REJECTED,
    accept,
    arrive,
    cancel,
    dial,
    end,
    leave,
    reject,
    shown,
)
from onlycare_socket.cli.compare.reasons import section
from onlycare_socket.cli.compare.steps import Story
from onlycare_socket.cli.virtual_phone import Transport


def _by(transport: Transport) -> Story:
    return Story(
        name=transport,
        about=f"a whole call with both phones on {transport} only",
        steps=(
            arrive(CALLER, transport=transport, note=f"by {transport}"),
            arrive(RECEIVER, transport=transport, note=f"by {transport}"),
            dial(),
            accept(),
            end(),
            leave(CALLER),
            leave(RECEIVER),
        ),
    )


STORIES = (
    Story(name="accept", about="it rings, is accepted, the caller hangs up", steps=(dial(), shown(), accept(), end())),
    Story(
        name="receiver-ends",
        about="the receiver hangs up",
        steps=(dial(), accept(), end(RECEIVER, hears={CALLER: ("call:ended",)})),
    ),
    Story(name="reject", about="the receiver rejects", steps=(dial(), reject())),
    Story(name="reject-reason", about="and says why", steps=(dial(), reject(reason="In a meeting"))),
    Story(name="cancel", about="the caller cancels while it rings", steps=(dial(), cancel())),
    Story(name="cancel-reason", about="and says why", steps=(dial(), cancel(reason="Wrong number"))),
    Story(
        name="end-while-ringing",
        about="call:end of the caller while it rings is a cancel",
        steps=(
            dial(),
            end(hears=STOPPED, why={"receiver.reason": section(3, "the reason of a cancelled call")}),
        ),
    ),
    Story(
        name="receiver-ends-while-ringing",
        about="call:end of the receiver while it rings is a reject",
        steps=(
            dial(),
            end(
                RECEIVER,
                hears=TOLD_REJECTED,
                why={"caller": section(2, "call:end by the receiver while it rings is a reject")},
            ),
        ),
    ),
    Story(
        name="no-acks",
        about="a call whose accept and end ask for no ack",
        steps=(dial(), accept(acked=False, note="without an ack"), end(acked=False, note="without an ack")),
    ),
    _by("polling"),
    _by("websocket"),
)
