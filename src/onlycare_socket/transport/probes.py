"""Those who want to know whether a client is really there."""

import math
from collections.abc import Callable

import structlog

log = structlog.get_logger("onlycare_socket.transport")

Answered = Callable[[bool], None]


class Probes:
    """The questions that one client has not answered yet. Each asker is told once."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[tuple[float, Answered]] = []

    def add(self, limit: float, done: Answered) -> None:
        """Wait for a sign of life until loop time `limit`."""
        self._waiting.append((limit, done))

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def next_due(self) -> float:
        """When `expire` has something to do; `math.inf` for never."""
        return min((limit for limit, _ in self._waiting), default=math.inf)

    def answer(self, there: bool) -> None:
        """Tell all of them whether the client is there."""
        for _, done in self._waiting:
            _tell(done, there)

    def expire(self, now: float) -> None:
        """Tell those who have waited long enough that nothing came."""
        late = [done for limit, done in self._waiting if limit <= now]
        self._waiting = [asker for asker in self._waiting if asker[0] > now]
        for done in late:
            _tell(done, False)


def _tell(done: Answered, there: bool) -> None:
    """Tell one asker. Its fault is neither the client's nor that of the next one."""
    try:
        done(there)
    except Exception:
        log.exception("prober failed")
