"""Who is refused when the file of calls cannot be written: he who dials, and nobody else.

A call that nobody has heard of can be refused. All others go on from memory, since their parties know of them.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from onlycare_socket.calls.decision import Decide, Decision, View
from onlycare_socket.calls.ids import CallId
from onlycare_socket.ports import StoreUnavailable

Tell = Callable[[], object]
"""Calls a `done` with what it gets."""
Done = Callable[[Decision | StoreUnavailable], object]

REFUSED: Final = Decision()
"""Stands for a decision that would have made a new call while none can be kept."""
UNAVAILABLE: Final = StoreUnavailable("the file of calls cannot be written")


class Waiter(NamedTuple):
    """Somebody who is told with the next commit."""

    tell: Tell
    dialled: CallId | None = None
    """The call that he made, if his decision made one and changed no other."""
    refuse: Tell | None = None
    """Tells him that it could not be kept."""


def waiter_of(done: Done, decision: Decision) -> Waiter:
    """Returns who waits for a decision; one that ends other calls too has others to tell, and is never refused."""
    calls = decision.calls
    if len(calls) == 1 and calls[0].version == 1 and calls[0].ended is None:
        return Waiter(partial(done, decision), calls[0].id, partial(done, UNAVAILABLE))
    return Waiter(partial(done, decision))


def without_new_calls(decide: Decide, view: View) -> Decision:
    """Decides, but for what would make a new call: that is `REFUSED`."""
    decision = decide(view)
    known = {call.id for call in (view.call, *view.live.values()) if call is not None}
    return decision if all(call.id in known for call in decision.calls) else REFUSED
