"""Looks at all calls every ten seconds for what must never be (`calls/audit.py`), and has it put right.

A slice a tick, so that it never holds up the loop. Calls come and go meanwhile: what is found is looked at again as it
is now before anything is done, and the decision that repairs it looks a third time.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice

import structlog

from onlycare_socket.calls.audit import Audit, Finding
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.ids import CallId
from onlycare_socket.calls.states import Flaw
from onlycare_socket.clock import Clock
from onlycare_socket.ports import CallLog, CallStore
from onlycare_socket.switchboard import Switchboard

EVERY = 10.0
"""Seconds from the beginning of one round to that of the next."""
SLICE = 500
"""Calls looked at in one tick."""
REPAIRS = 50
"""Repairs in one tick, at the most; what is left is found again in the next round."""

log = structlog.get_logger("auditor")


class Auditor:
    """Finds and repairs. `found` counts by flaw."""

    def __init__(self, *, store: CallStore, log: CallLog, switchboard: Switchboard, clock: Clock) -> None:
        self._store = store
        self._log = log
        self._switchboard = switchboard
        self._clock = clock
        self._next = clock.monotonic() + EVERY
        self._round: Iterator[CallId] | None = None
        self._audit = Audit()
        self._repairs_left = REPAIRS
        self.rounds = 0
        self.found: Counter[str] = Counter({flaw.value: 0 for flaw in Flaw})

    def beat(self) -> None:
        """Looks at the next slice, or begins a round that is due; to be called a few times a second."""
        if self._round is not None:
            self._look_on(self._round)
        elif self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + EVERY
            self._log.live(self._begin)

    def _begin(self, live: tuple[CallId, ...]) -> None:
        self._audit = Audit()
        self._round = chain(live, tuple(self._switchboard.lately_ended))

    def _look_on(self, calls: Iterator[CallId]) -> None:
        self._repairs_left = REPAIRS
        looked = 0
        for looked, id_ in enumerate(islice(calls, SLICE), 1):  # noqa: B007 - how many there were
            self._store.find(id_, self._look_at)
        if looked < SLICE:
            self._round = None
            self.rounds += 1

    def _look_at(self, call: Call | None) -> None:
        if call is not None:
            for finding in self._audit.look(call):
                self._look_again(finding)

    def _look_again(self, finding: Finding) -> None:
        now = Audit()
        calls = (finding.call,) if finding.other is None else (finding.call, finding.other)
        for id_ in calls:
            self._store.find(id_, partial(self._confirm, finding.flaw, now))

    def _confirm(self, flaw: Flaw, now: Audit, call: Call | None) -> None:
        for finding in now.look(call) if call is not None else ():
            if finding.flaw is flaw and self._repairs_left:
                self._repairs_left -= 1
                self._repair(finding)

    def _repair(self, finding: Finding) -> None:
        self.found[finding.flaw.value] += 1
        log.warning("a call was not as it must be; repairing it", call=finding.call, flaw=finding.flaw.value)
        self._switchboard.repair(finding)
