"""The numbers in docs/performance.md: written by a command from one run, never by hand.

A block of the page begins with `<!-- bench:NAME -->` and ends with `<!-- /bench -->`; NAME is a scenario, or `machine`,
`budgets` or `sizing`. The run that the page shows is committed beside its pictures in bench/results/reference.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import table
from bench.machine import ROOT
from bench.results import Report, spread
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS

PAGE: Final = ROOT / "docs" / "performance.md"
REFERENCE: Final = ROOT / "bench" / "results" / "reference"
NOTHING_YET: Final = "No run has been recorded on this page yet."
_BLOCK: Final = re.compile(r"(<!-- bench:([a-z]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
_PICTURES: Final = "../bench/results/reference"
"""The way from the page to the pictures."""


def filled(page: str, report: Report | None) -> str:
    """Returns the page with every block written anew; raises KeyError for a block that has no meaning."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_block(found[2], report)}\n{found[3]}", page)


def blocks(page: str) -> set[str]:
    """Returns the names of all blocks."""
    return {found[2] for found in _BLOCK.finditer(page)}


def _block(name: str, report: Report | None) -> str:
    write = _WRITERS.get(name) or _of(SCENARIOS[name])
    return (write(report) if report else None) or NOTHING_YET


def _of(scenario: Scenario) -> Callable[[Report], str | None]:
    def write(report: Report) -> str | None:
        found = next((one for one in report.scenarios if one.name == scenario.name), None)
        if found is None:
            return None
        tables = [table.as_markdown(grid) for grid in table.scenario_grids(scenario, found)]
        return "\n\n".join([f"![{scenario.title}]({_PICTURES}/{scenario.name}.png)", *tables])

    return write


def _machine(report: Report) -> str:
    machine = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.python.packages.items() if version)
    lines = [
        f"- Taken on {report.taken[:10]}{', a quick run' if report.quick else ''}, at commit {machine.revision}.",
        f"- {table.machine_line(machine)}.",
        f"- {packages}.",
        f"- Load average of the minute before: {machine.load_average:.1f}.",
        *(f"- Mind: {warning}." for warning in machine.warnings()),
    ]
    return "\n".join(lines)


def _budgets(report: Report) -> str:
    return table.as_markdown(table.budget_grid(report))


def _sizing(report: Report) -> str | None:
    """Returns what one core and one connection give, from the same run."""
    wanted = (
        ("call cycles a core can carry, in a second", "cycles", "1,000 pairs", "per_cpu_second", 1.0, ""),
        ("new connections a core can carry, in a second", "storm", "5,000 users", "per_cpu_second", 1.0, ""),
        ("share of a core for the heartbeats of 5,000 idle users", "idle", "5,000 users", "server_share", 100.0, " %"),
        ("memory of one more idle user", "idle", "15,000 users", "each_kb", 1.0, " KB"),
        ("memory of the process with 1,000 users", "idle", "1,000 users", "whole_mb", 1.0, " MB"),
        ("memory of the process with 5,000 users", "idle", "5,000 users", "whole_mb", 1.0, " MB"),
        ("memory of the process with 15,000 users", "idle", "15,000 users", "whole_mb", 1.0, " MB"),
        ("10,000 users back after a restart", "restart", "10,000 users", "seconds", 1.0, " s"),
    )
    lines = []
    for says, scenario, case, figure, scale, unit in wanted:
        row = report.row(scenario, case, "onlycare")
        if row and (found := spread(row.by_round(figure).values())):
            lines.append(f"| {says} | {table.number(scale * found.median)}{unit} |")
    return "\n".join(["| | measured |", "| --- | ---: |", *lines]) if lines else None


_WRITERS: Final[dict[str, Callable[[Report], str | None]]] = {
    "machine": _machine,
    "budgets": _budgets,
    "sizing": _sizing,
}


def update(page: Path, report: Report) -> None:
    """Writes the blocks of the page anew."""
    page.write_text(filled(page.read_text(), report))
