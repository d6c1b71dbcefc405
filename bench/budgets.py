"""The budgets of this project, and how each stands in a run: what it must hold, what it aims at, what was measured."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from msgspec import Struct

from bench.results import Report, Spread, ratio, spread
from bench.scenario import SQLITE

Verdict = Literal["aim met", "must met", "missed", "not measured"]
Measure = Callable[[Report], Spread | None]


class Budget(Struct, frozen=True, kw_only=True):
    """A bound on a median."""

    says: str
    must: float
    aim: float | None
    unit: str
    at_least: bool = False
    """Whether more is better; else the bounds are what may not be exceeded."""
    exclusive: bool = False
    """Whether `must` and `aim` themselves are too much."""
    measure: Measure

    def verdict(self, measured: Spread | None) -> Verdict:
        """Returns how the budget stands."""
        if measured is None:
            return "not measured"
        if self.aim is not None and self._holds(measured.median, self.aim):
            return "aim met"
        if self._holds(measured.median, self.must):
            return "aim met" if self.aim is None else "must met"
        return "missed"

    def _holds(self, value: float, bound: float) -> bool:
        if self.at_least:
            return value >= bound
        return value < bound if self.exclusive else value <= bound

    def bound(self, value: float | None) -> str:
        """Returns a bound in words, such as `>= 1.5 x`."""
        if value is None:
            return "-"
        sign = "≥" if self.at_least else "<" if self.exclusive else "≤"
        return f"{sign} {value:g} {self.unit}"


class Standing(Struct, frozen=True):
    """A budget and how it stands."""

    budget: Budget
    measured: Spread | None
    verdict: Verdict


def standings(report: Report) -> list[Standing]:
    """Returns how every budget stands."""
    found = []
    for budget in BUDGETS:
        measured = budget.measure(report)
        found.append(Standing(budget, measured, budget.verdict(measured)))
    return found


def figure(scenario: str, case: str, key: str, contestant: str = "onlycare") -> Measure:
    """Measures a figure of one contestant."""

    def measure(report: Report) -> Spread | None:
        row = report.row(scenario, case, contestant)
        return spread(row.by_round(key).values()) if row else None

    return measure


def beside(scenario: str, case: str, key: str, other: str, contestant: str = "onlycare") -> Measure:
    """Measures how many times a figure is another contestant's of the same round."""
    return lambda report: ratio(report.row(scenario, case, contestant), report.row(scenario, case, other), key)


def grown(scenario: str, case: str, smaller: str, key: str) -> Measure:
    """Measures how many times a figure is that of a smaller size in the same round."""
    return lambda report: ratio(report.row(scenario, case, "onlycare"), report.row(scenario, smaller, "onlycare"), key)


def worst(scenario: str, cases: tuple[str, ...], key: str, contestant: str = "onlycare") -> Measure:
    """Measures the largest of a figure over several sizes, by its medians."""

    def measure(report: Report) -> Spread | None:
        found = [one for case in cases if (one := figure(scenario, case, key, contestant)(report))]
        return max(found, default=None)

    return measure


CALLS: Final = ("200 calls/s", "1,000 calls/s", "3,000 calls/s")


def _cycles() -> Iterator[Budget]:
    against: tuple[tuple[str, str, str, float, float], ...] = (
        ("call cycles per CPU second, beside the bare Node relay", "onlycare", "node-relay", 1.0, 1.5),
        ("the same beside Node with the same rules", "onlycare", "node-rules", 1.5, 2.0),
        ("with the SQLite store, beside Node with the same rules", SQLITE, "node-rules", 0.8, 1.2),
        ("beside the python-socketio relay", "onlycare", "python-socketio", 4.0, 6.0),
    )
    for says, mine, other, must, aim in against:
        for case in ("100 pairs", "1,000 pairs"):
            measure = beside("cycles", case, "per_cpu_second", other, mine)
            yield Budget(says=f"{says}, {case}", must=must, aim=aim, unit="x", at_least=True, measure=measure)


def _pauses() -> Iterator[Budget]:
    for says, key, contestant in (
        ("longest pause by garbage collection, at 200 to 3,000 calls/s", "gc_pause_max_ms", "onlycare"),
        ("longest pause by sweeps", "sweep_max_ms", "onlycare"),
        ("p99.9 of the loop's lag, less that of an empty loop beside it", "lag_less_empty_ms", "onlycare"),
        ("the same with the SQLite store", "lag_less_empty_ms", SQLITE),
        ("longest commit of the SQLite store, beside the loop", "commit_max_ms", SQLITE),
    ):
        measure = worst("rejects", CALLS, key, contestant)
        yield Budget(says=says, must=10, aim=3, unit="ms", exclusive=True, measure=measure)


def _survival() -> Iterator[Budget]:
    for ended, case in (("SIGTERM", "5,000 users, 500 calls, SIGTERM"), ("SIGKILL", "5,000 users, 500 calls, SIGKILL")):
        lost = figure("survival", case, "lost", SQLITE)
        yield Budget(
            says=f"calls lost of 500 when {ended} ended the server", must=0, aim=None, unit="calls", measure=lost
        )
        started = figure("survival", case, "health_s", SQLITE)
        yield Budget(
            says=f"from exec to /health after {ended}, with 500 live calls",
            must=2,
            aim=1,
            unit="s",
            exclusive=True,
            measure=started,
        )


BUDGETS: Final = (
    *_cycles(),
    Budget(
        says="reject latency p99 at 1,000 calls/s",
        must=5,
        aim=None,
        unit="ms",
        exclusive=True,
        measure=figure("rejects", "1,000 calls/s", "p99_ms"),
    ),
    Budget(
        says="the same beside Node with the same rules",
        must=0.7,
        aim=0.3,
        unit="x",
        measure=beside("rejects", "1,000 calls/s", "p99_ms", "node-rules"),
    ),
    *_pauses(),
    Budget(
        says="memory of an idle authenticated connection, of 5,000",
        must=12,
        aim=9,
        unit="KB",
        measure=figure("idle", "5,000 users", "each_kb"),
    ),
    Budget(
        says="whole process with 5,000 connected users",
        must=100,
        aim=85,
        unit="MB",
        measure=figure("idle", "5,000 users", "whole_mb"),
    ),
    Budget(
        says="authenticated connects per CPU second, beside Node with the same rules",
        must=1.5,
        aim=3,
        unit="x",
        at_least=True,
        measure=beside("storm", "5,000 users", "per_cpu_second", "node-rules"),
    ),
    Budget(
        says="10,000 users back after a restart",
        must=10,
        aim=6,
        unit="s",
        measure=figure("restart", "10,000 users", "seconds"),
    ),
    *_survival(),
    Budget(
        says="cost of a call at 10,000 connected users, beside 100",
        must=1.3,
        aim=1.1,
        unit="x",
        measure=grown("growth", "10,000 users", "100 users", "cpu_us"),
    ),
)
