"""The two ends of a pure decision: what it may look at, and what it changes. Compiled, as the effects are."""

from collections.abc import Callable, Mapping
from typing import Final

from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.effects import Effect
from onlycare_socket.calls.ids import CallId, Millis, UserId


class View:
    """What one decision may look at: a consistent picture, taken inside the transaction.

    `live` holds the live call of each user asked for, an index derived from the calls, never a flag.
    `early` holds the commands that overtook the initiate of this call and are still remembered.
    """

    __slots__ = ("call", "early", "live", "now")

    def __init__(
        self, now: Millis, call: Call | None, live: Mapping[UserId, Call], early: tuple[Early, ...] = ()
    ) -> None:
        self.now: Final = now
        self.call: Final = call
        self.live: Final = live
        self.early: Final = early


class Decision:
    """What one decision changes and what is to be done once it is durable, in order."""

    __slots__ = ("calls", "early", "effects", "steps")

    def __init__(
        self,
        calls: tuple[Call, ...] = (),
        effects: tuple[Effect, ...] = (),
        steps: tuple[tuple[CallId, Step], ...] = (),
        early: tuple[Early, ...] = (),
    ) -> None:
        self.calls: Final = calls
        self.effects: Final = effects
        self.steps: Final = steps
        self.early: Final = early


Decide = Callable[[View], Decision]
"""Pure; may run more than once."""

Note = Callable[[Millis, Call], tuple[Call, Step] | None]
"""Adds to a call what makes no difference to its state, with a line for its timeline. Pure; may run more than once."""
