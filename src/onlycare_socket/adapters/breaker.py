"""A breaker: after several failures in a row nobody asks for a while; then one may try, and success opens the way.

closed --failures of different askers in a row--> open --after a while--> probing --success--> closed
                                                    ^----------------failure----'

Failures of one asker count once: an account that the backend stumbles over must not shut out all others.
"""

from collections.abc import Callable, Hashable
from typing import Literal

State = Literal["closed", "open", "probing"]


class Breaker:
    """Says whether the backend may be asked now. Times are seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float], *, failures: int = 5, open_for: float = 2.0) -> None:
        self.state: State = "closed"
        self.opened = 0
        """How often it has opened."""
        self._clock = clock
        self._failures = failures
        self._open_for = open_for
        self._in_a_row = 0
        self._last_asker: Hashable = None
        self._since = 0.0
        """When it opened, or when the probe was let through."""

    def wait(self) -> float:
        """Returns 0 when asking now would be let through, else the seconds until it is worth another look."""
        if self.state == "closed":
            return 0.0
        return max(0.0, self._since + self._open_for - self._clock())

    def enter(self) -> bool:
        """Lets an asker through or not; the one let through while it was open is the probe.

        A probe that reports nothing within the open time is replaced by the next asker.
        """
        if self.wait() > 0:
            return False
        if self.state != "closed":
            self.state = "probing"
            self._since = self._clock()
        return True

    def succeeded(self) -> None:
        """The backend answered: the way is open."""
        self.state = "closed"
        self._in_a_row = 0
        self._last_asker = None

    def failed(self, asker: Hashable) -> None:
        """The backend failed this asker."""
        if self.state == "probing":
            self._open()
        elif self.state == "closed" and asker != self._last_asker:
            self._last_asker = asker
            self._in_a_row += 1
            if self._in_a_row >= self._failures:
                self._open()

    def _open(self) -> None:
        self.state = "open"
        self.opened += 1
        self._since = self._clock()
