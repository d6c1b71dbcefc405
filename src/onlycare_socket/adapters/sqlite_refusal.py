"""Who waits for a commit, and who is refused when the file of calls cannot be written: he who dials, and nobody else.

A call that nobody has heard of can be refused. All others go on from memory, since their parties know of them.
"""

from collections.abc import Callable
from typing import Final

from onlycare_socket.calls.decision import Decide, Decision, View
from onlycare_socket.calls.ids import CallId
from onlycare_socket.ports import StoreUnavailable

Done = Callable[[Decision | StoreUnavailable], object]

REFUSED: Final = Decision()
"""Stands for a decision that would have made a new call while none can be kept."""
UNAVAILABLE: Final = StoreUnavailable("the file of calls cannot be written")


class Waiter:
    """Somebody who is told with the next commit."""

    __slots__ = ("_done", "answer")

    def __init__(self, done: Done, answer: Decision | StoreUnavailable) -> None:
        self._done = done
        self.answer = answer

    def tell(self) -> None:
        """Tells him."""
        self._done(self.answer)

    def dialled(self) -> CallId | None:
        """Returns the call that he made; None if he made none, or changed another as well: its party is to be told."""
        if isinstance(self.answer, StoreUnavailable):
            return None
        calls = self.answer.calls
        return calls[0].id if len(calls) == 1 and calls[0].version == 1 and calls[0].ended is None else None


def without_new_calls(decide: Decide, view: View) -> Decision:
    """Decides, but for what would make a new call: that is `REFUSED`."""
    decision = decide(view)
    known = {call.id for call in (view.call, *view.live.values()) if call is not None}
    return decision if all(call.id in known for call in decision.calls) else REFUSED
