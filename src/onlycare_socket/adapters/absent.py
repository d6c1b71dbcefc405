"""What stands in for outside systems that this deployment does not have."""

from collections.abc import Callable, Mapping

from onlycare_socket.calls.call import Call
from onlycare_socket.calls.effects import Report
from onlycare_socket.calls.ids import DeviceId, Millis


class AbsentPush:
    """The `Push` of a server that pushes nothing itself.

    `can_wake` says whether the backend does: the OnlyCare backend pushes inside its own initiate.
    """

    def __init__(self, *, can_wake: bool) -> None:
        self.can_wake = can_wake

    def wake(self, call: Call, device: DeviceId | None) -> None:
        """Does nothing: the caller was told to rely on the backend's push."""

    def cancel(self, call: Call) -> None:
        """Does nothing: there is nothing to take back."""


class AbsentBackend:
    """The `Backend` of a server that has none to report to. `unheard` counts what was not said."""

    def __init__(self) -> None:
        self.unheard = 0

    def report(self, report: Report) -> None:
        """Counts the report."""
        self.unheard += 1


class AbsentFacts:
    """The `Facts` of a server whose calls are kept in memory: the next process knows nothing."""

    def former(self, kind: str) -> Mapping[str, bytes]:
        """Nothing."""
        return {}

    def keep(self, kind: str, key: str, body: bytes, until: Millis | None = None) -> None:
        """Does nothing: whoever asks keeps it in memory himself."""

    def drop(self, kind: str, key: str) -> None:
        """Does nothing."""

    def settled(self, done: Callable[[], object]) -> None:
        """Calls `done` at once."""
        done()
