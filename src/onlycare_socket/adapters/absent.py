"""What stands in for outside systems that a deployment does not use."""

from collections import Counter

from onlycare_socket.calls.call import Call
from onlycare_socket.calls.effects import Report
from onlycare_socket.calls.ids import DeviceId


class NoPush:
    """This server sends no pushes. `backend_pushes`: the backend does, inside its own initiate."""

    def __init__(self, *, backend_pushes: bool) -> None:
        self._backend_pushes = backend_pushes

    @property
    def can_wake(self) -> bool:
        """Whether anybody pushes."""
        return self._backend_pushes

    def wake(self, call: Call, device: DeviceId | None) -> None:
        """Sends nothing."""

    def cancel(self, call: Call) -> None:
        """Sends nothing."""


class NoBackend:
    """Nobody is told how calls went; `reports` counts what there was to tell, by kind."""

    def __init__(self) -> None:
        self.reports: Counter[str] = Counter()

    def report(self, report: Report) -> None:
        """Counts a report."""
        self.reports[report.kind.value] += 1
