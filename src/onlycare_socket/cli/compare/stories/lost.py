"""Connections that are lost and come back, and users with two of them."""

from onlycare_socket.cli.compare.moves import CALLER, RECEIVER, SECOND, accept, arrive, dial, end, leave
from onlycare_socket.cli.compare.reasons import row
from onlycare_socket.cli.compare.steps import Story

_ROW_8 = {"answer": row(8), "caller": row(8), str(SECOND): row(8), "receiver": row(8)}
_ROW_9 = {"answer": row(9), "caller": row(9), "receiver": row(9)}

STORIES = (
    Story(
        name="caller-blips",
        about="the caller's connection is lost for a moment while it rings",
        steps=(
            dial(),
            leave(CALLER, why=_ROW_9),
            arrive(CALLER),
            accept(why=_ROW_9),
            end(why=_ROW_9),
        ),
    ),
    Story(
        name="receiver-blips",
        about="the receiver's connection is lost for a moment while it rings",
        steps=(
            dial(),
            leave(RECEIVER, why=_ROW_9),
            arrive(RECEIVER, hears={RECEIVER: ("call:incoming",)}, why=_ROW_9),
            accept(why=_ROW_9),
            end(why=_ROW_9),
        ),
    ),
    Story(
        name="call-blips",
        about="a party's connection is lost for a moment while they talk",
        steps=(
            dial(),
            accept(),
            leave(RECEIVER, why=_ROW_9),
            arrive(RECEIVER),
            end(why=_ROW_9),
        ),
    ),
    Story(
        name="two-sockets",
        about="the receiver has two connections and the older one closes while it rings",
        steps=(
            arrive(SECOND),
            dial(hears={SECOND: ("call:incoming",)}),
            leave(RECEIVER, why=_ROW_8),
            accept(SECOND, why=_ROW_8),
            end(hears={SECOND: ("call:ended",)}, why=_ROW_8),
        ),
    ),
    Story(
        name="old-socket-closes",
        about="the app opens a second connection before it closes the first, and is called then",
        steps=(
            arrive(SECOND),
            leave(RECEIVER),
            dial(hears={SECOND: ("call:incoming",)}, why=_ROW_8),
            accept(SECOND, why=_ROW_8),
        ),
    ),
)
