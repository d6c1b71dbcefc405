"""How budgets are judged, and that each is measured by something that scenarios produce."""

import pytest

from bench.budgets import BUDGETS, Budget, Verdict, standings
from bench.results import Case, Outcome, Report, Spread
from bench.scenarios import SCENARIOS

from .reports import cycles, outcome, report, row


def nothing(_report: Report) -> None:
    return None


def budget(must: float, aim: float | None, *, at_least: bool = False, exclusive: bool = False) -> Budget:
    return Budget(says="a", must=must, aim=aim, unit="x", at_least=at_least, exclusive=exclusive, measure=nothing)


@pytest.mark.parametrize(
    ("given", "median", "verdict"),
    [
        (budget(1, 1.5, at_least=True), 1.5, "aim met"),
        (budget(1, 1.5, at_least=True), 1.49, "must met"),
        (budget(1, 1.5, at_least=True), 0.99, "missed"),
        (budget(12, 9), 9, "aim met"),
        (budget(12, 9), 12, "must met"),
        (budget(12, 9), 12.1, "missed"),
        (budget(10, 3, exclusive=True), 2.9, "aim met"),
        (budget(10, 3, exclusive=True), 3, "must met"),
        (budget(10, 3, exclusive=True), 10, "missed"),
        (budget(5, None, exclusive=True), 4.9, "aim met"),
        (budget(5, None, exclusive=True), 5, "missed"),
        (budget(5, None), float("nan"), "missed"),
        (budget(5, None), float("inf"), "missed"),
    ],
)
def test_a_budget_is_judged_by_the_median(given: Budget, median: float, verdict: Verdict) -> None:
    assert given.verdict(Spread(median, 0, 100, 3)) == verdict


def test_what_was_not_measured_has_no_verdict_but_that() -> None:
    assert budget(1, 2).verdict(None) == "not measured"


def verdicts(of: Report) -> dict[str, str]:
    return {one.budget.says: one.verdict for one in standings(of) if one.measured}


def test_cycles_are_judged_beside_both_node_servers() -> None:
    found = report(cycles((120, 100, 50), (130, 100, 50)))
    assert verdicts(found) == {
        "call cycles per CPU second, beside the bare Node relay, 100 pairs": "must met",
        "the same beside Node with the same rules, 100 pairs": "aim met",
    }


def test_pauses_are_judged_by_the_worst_rate() -> None:
    found = report(
        outcome(
            "rejects",
            **{
                "calls/s_200": [row("onlycare", {"gc_pause_max_ms": 1})],
                "calls/s_3000": [row("onlycare", {"gc_pause_max_ms": 25})],
            },
        )
    )
    assert verdicts(found) == {"longest pause by garbage collection, at 200 to 3,000 calls/s": "missed"}


def test_growth_is_judged_within_the_round() -> None:
    found = report(
        outcome(
            "growth",
            users_100=[row("onlycare", {"cpu_us": 100}, {"cpu_us": 200})],
            users_10000=[row("onlycare", {"cpu_us": 120}, {"cpu_us": 240})],
        )
    )
    assert verdicts(found) == {"cost of a call at 10,000 connected users, beside 100": "must met"}


def test_every_budget_is_measured_by_a_full_run() -> None:
    """Every run of every scenario with every figure of its own gives each budget a verdict."""
    everything = {
        key: 1.0 for scenario in SCENARIOS.values() for key in (f.key for f in (*scenario.figures, *scenario.inside))
    }
    found = report(
        *(
            Outcome(
                scenario.name,
                [Case(size.name, [row(name, everything) for name in size.contestants]) for size in scenario.sizes],
            )
            for scenario in SCENARIOS.values()
        )
    )
    assert len(BUDGETS) == 24
    assert [one.budget.says for one in standings(found) if not one.measured] == []
