"""Who is told that somebody came or went."""

from onlycare_socket.cli.compare.moves import CALLER, RECEIVER, arrive, leave
from onlycare_socket.cli.compare.reasons import section
from onlycare_socket.cli.compare.steps import Story

_OFFLINE_WITHIN = 9.0
"""Seconds in which `user:offline` comes: 5 after the last connection closed (contract section 5), and some more."""
_CAME_BACK = {"caller": section(5, "who comes back within 5 s was never offline")}

STORIES = (
    Story(
        name="presence",
        about="the receiver goes offline and comes online",
        presence=True,
        steps=(
            leave(RECEIVER, hears={CALLER: ("user:offline",)}, within=_OFFLINE_WITHIN),
            arrive(RECEIVER, hears={CALLER: ("user:online",)}),
        ),
    ),
    Story(
        name="presence-blip",
        about="the receiver is away for a moment only",
        presence=True,
        steps=(leave(RECEIVER, why=_CAME_BACK), arrive(RECEIVER, why=_CAME_BACK)),
    ),
)
