"""The tables of a run: as cells, which the terminal (rich) and docs/performance.md (markdown) both show."""

from collections.abc import Callable, Iterable, Sequence
from math import floor, log10
from typing import Final, NamedTuple

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bench.budgets import BUDGETS, Standing, standings
from bench.machine import Machine
from bench.results import LOAD_IS_THE_BOUND, MUCH_BESIDE, Case, Outcome, Report, Row, Spread, ratio, spread
from bench.scenario import Figure, Scenario

BESIDE: Final = {"node-relay": "x relay", "node-rules": "x rules"}
"""The Node servers that ratios are taken to, and the heads of their columns."""
LOAD_SHARES: Final = ("load_share", "backend_share", "beside_share")
"""Shares of a core that the load took, the backend's stand-in, and both of the cores they share."""
_NOTHING: Final = "-"
_WIDEST: Final = 24
"""Letters of a first column that may not fold."""
_COLOURS: Final = {"aim met": "green", "must met": "yellow", "missed": "bold red", "not measured": "dim"}


class Grid(NamedTuple):
    """A table before it has a look."""

    title: str
    head: list[str]
    lines: list[list[str]]
    notes: list[str] = []  # noqa: RUF012  # never changed


def scenario_grids(scenario: Scenario, found: Outcome) -> list[Grid]:
    """Returns the table of a scenario and, where servers told of it, one of what went on inside of them."""
    beside = [name for name in BESIDE if any(case.row(name) for case in found.cases)]
    ratios = [(figure, other) for figure in map(scenario.figure, scenario.compared) for other in beside]
    several = len(scenario.compared) > 1
    heads = [f"{figure.label} {BESIDE[other]}" if several else BESIDE[other] for figure, other in ratios]
    head = ["", *(figure.label for figure in scenario.figures), *heads]
    lines = _sections(found, lambda case, row: _line(scenario, case, row, ratios))
    of = " or ".join(scenario.figure(key).label for key in scenario.compared)
    explained = [f"x: times the {of} of the Node server in the same round."] if beside else []
    first = Grid(scenario.title, head, lines, [*explained, *bounds(found), *failures(found)])
    if not scenario.inside:
        return [first]
    within = _sections(found, lambda _, row: _figures(row, scenario.inside), scenario.inside[:1])
    if not within:
        return [first]
    head = ["", *(figure.label for figure in scenario.inside)]
    return [first, Grid(f"{scenario.name.capitalize()}: what held up the loop meanwhile", head, within)]


def _sections(
    found: Outcome, cells: Callable[[Case, Row], list[str]], needed: Sequence[Figure] = ()
) -> list[list[str]]:
    """Returns a line for each contestant that has the needed figures, below one with the name of the size."""
    lines: list[list[str]] = []
    for case in found.cases:
        rows = [row for row in case.rows if all(row.by_round(figure.key) for figure in needed)]
        of_rows = [[f"  {row.contestant}", *cells(case, row)] for row in rows]
        lines += [[case.name, *[""] * (len(of_rows[0]) - 1)], *of_rows] if of_rows else []
    return lines


def _line(scenario: Scenario, case: Case, row: Row, beside: Iterable[tuple[Figure, str]]) -> list[str]:
    figures = _figures(row, scenario.figures)
    ratios = [
        _NOTHING if row.contestant == other else times(ratio(row, case.row(other), figure.key))
        for figure, other in beside
    ]
    if not any(run.figures for run in row.runs):
        figures[0] = "failed"
    return [*figures, *ratios]


def _figures(row: Row, figures: Iterable[Figure]) -> list[str]:
    return [shown(spread(row.by_round(figure.key).values()), figure) for figure in figures]


def bounds(found: Outcome) -> list[str]:
    """Returns whether the load, and not a server, may have been what was measured, and what else took its core."""
    said = []
    if shares := [share for key in LOAD_SHARES for share in _shares(found, key)]:
        over = _where(shares, LOAD_IS_THE_BOUND)
        worst = f"{LOAD_IS_THE_BOUND:.0%} of its core"
        said.append(
            f"THE LOAD WAS THE BOUND, not the server (over {worst}): {over}."
            if over
            else f"The load was never the bound: it took at most {max(shares)[0]:.0%} of its core."
        )
    if over := _where(shares := _shares(found, "others_share"), MUCH_BESIDE):
        most = f"up to {max(shares)[0]:.0%} of the server's core"
        said.append(f"SOMETHING ELSE took {most}, so these figures say little: {over}.")
    return said


def _shares(found: Outcome, key: str) -> list[tuple[float, str]]:
    return [
        (share, f"{row.contestant}, {case.name}")
        for case in found.cases
        for row in case.rows
        for share in row.by_round(key).values()
    ]


def _where(shares: list[tuple[float, str]], limit: float) -> str:
    return "; ".join(dict.fromkeys(where for share, where in shares if share > limit))


def failures(found: Outcome) -> list[str]:
    """Returns a line for every reason why a contestant failed."""
    return [
        f"{row.contestant}, {case.name}: {row.count(reason)} of {len(row.runs)} failed: {reason}"
        for case in found.cases
        for row in case.rows
        for reason in row.failures()
    ]


def budget_grid(report: Report) -> Grid:
    """Returns every budget that was measured, with how it stands; the others are counted under it."""
    title = "Budgets" + (" (of a quick run: too short to judge by)" if report.quick else "")
    every = standings(report)
    lines = [_budget(standing) for standing in every if standing.measured]
    unmeasured = [standing.budget.says for standing in every if not standing.measured]
    notes = [f"Not measured in this run: {_some(unmeasured)}."] if unmeasured else []
    return Grid(title, ["", "must", "aim", "measured", "range", "verdict"], lines, notes)


def _some(named: list[str]) -> str:
    return "; ".join(named) if len(named) < 5 else f"{len(named)} of {len(BUDGETS)} budgets"


def _budget(standing: Standing) -> list[str]:
    budget, measured = standing.budget, standing.measured
    figures = [_NOTHING, _NOTHING]
    if measured is not None:
        figures = [f"{number(measured.median)} {budget.unit}", f"{number(measured.low)} to {number(measured.high)}"]
    return [budget.says, budget.bound(budget.must), budget.bound(budget.aim), *figures, standing.verdict]


def shown(values: Spread | None, figure: Figure) -> str:
    """Returns a median with its range, such as 7,480 above 7,100-7,900; of shares, which only explain, the median."""
    if values is None:
        return _NOTHING

    def one(value: float) -> str:
        return f"{value:.{figure.digits}%}" if figure.percent else f"{value:,.{figure.digits}f}"

    return one(values.median) + (
        f"\n{one(values.low)}-{one(values.high)}" if values.rounds > 1 and not figure.percent else ""
    )


def times(values: Spread | None) -> str:
    """Returns a ratio with its range, such as 1.52 above 1.44-1.61."""
    if values is None:
        return _NOTHING
    return f"{values.median:.2f}" + (f"\n{values.low:.2f}-{values.high:.2f}" if values.rounds > 1 else "")


def number(value: float) -> str:
    """Returns a number with three figures that count."""
    if value == 0 or value != value or abs(value) == float("inf"):
        return f"{value:g}"
    return f"{value:,.{max(0, 2 - floor(log10(abs(value))))}f}"


def machine_line(machine: Machine) -> str:
    """Returns machine and versions in a line."""
    python, node = machine.python, f"Node {machine.node}, socket.io {machine.socket_io}" if machine.node else "no Node"
    built = "with PGO" if python.profile_guided else "without PGO"
    compiled = ", this server compiled" if python.compiled else ""
    return f"{machine.cpu}, {machine.cores} cores, Linux {machine.kernel}, {python.version} {built}{compiled}, {node}"


def on_terminal(grid: Grid, console: Console) -> None:
    """Prints a table with its notes under it."""
    table = Table(title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for at, head in enumerate(grid.head):
        widest = max((len(part) for line in grid.lines for part in line[at].split("\n")), default=0)
        # Heads may fold, and sentences; figures may not.
        folds = at == 0 and widest > _WIDEST
        table.add_column(head, justify="right" if at else "left", min_width=None if folds else widest)
    for line in grid.lines:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in line))
    if grid.lines:
        # On a narrow terminal lines break, but nothing is left out.
        needed = Measurement.get(console, console.options.update(width=1000), table).minimum
        console.print(table, width=max(console.width, needed), crop=False)
    for note in grid.notes:
        console.print(
            note, style="bold red" if note.startswith(("THE LOAD", "SOMETHING ELSE")) else "dim", highlight=False
        )
    console.print()


def as_markdown(grid: Grid) -> str:
    """Returns the table as docs/performance.md has it."""
    ruler = ["---:" if at else "---" for at in range(len(grid.head))]
    rows: Sequence[Sequence[str]] = [grid.head, ruler, *map(_markdown_line, grid.lines)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return "\n\n".join([table, *grid.notes])


def _markdown_line(line: list[str]) -> list[str]:
    """Returns the cells with a range beside its median, and the name of a size in bold."""
    if not any(line[1:]):
        return [f"**{line[0]}**", *line[1:]]
    return [cell.strip().replace("\n", " (") + (")" if "\n" in cell else "") for cell in line]
