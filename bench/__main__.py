"""The command line of the benchmark."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console

from bench import charts, machine, page, processes, results, running, table
from bench.machine import ROOT
from bench.results import Outcome, Report
from bench.scenarios import SCENARIOS
from bench.servers import contestants

RESULTS: Final = ROOT / "bench" / "results"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measures this server beside what one would use instead. docs/performance.md says how to read the figures.",
)


@app.command()
def run(
    quick: Annotated[
        bool, typer.Option("--quick", help="A thinner version of every scenario, one round each.")
    ] = False,
    scenario: Annotated[
        str, typer.Option(metavar="A,B", help=f"Only these scenarios: {', '.join(SCENARIOS)}.")
    ] = ",".join(SCENARIOS),
    servers: Annotated[
        str, typer.Option(metavar="A,B", help=f"Only these servers: {', '.join(contestants(''))}.")
    ] = ",".join(contestants("")),
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of every scenario; 0 takes the scenario's own.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the JSON and the pictures go.")] = RESULTS,
    python: Annotated[
        str, typer.Option(metavar="PATH", help="The Python of the Python servers and of the load; else this one.")
    ] = sys.executable,
) -> None:
    """Measure, print the tables, and write JSON and one picture for each scenario."""
    console = _console()
    only = _names(servers, list(contestants(python)), "server")
    asked = _names(scenario, list(SCENARIOS), "scenario")
    plans = [running.plan(SCENARIOS[name], quick=quick, rounds=rounds or None, only=only) for name in asked]
    if not any(one.steps for one in plans):
        raise typer.BadParameter("none of these servers takes part in any of these scenarios")
    _writable(out)
    begun = datetime.now(UTC)
    cores = processes.available()
    report = Report(
        taken=begun.isoformat(timespec="seconds"),
        quick=quick,
        machine=_machine(python, cores),
        scenarios=[],
    )
    name = "all" if len(plans) == len(SCENARIOS) else "-".join(one.scenario.name for one in plans)
    stem = f"{begun:%Y-%m-%d-%H%M%S}-{'quick-' if quick else ''}"
    path = out / f"{stem}{name}.json"
    _introduce(report, sum(one.seconds for one in plans), console)

    def finished(outcome: Outcome) -> None:
        report.scenarios.append(outcome)
        _show(outcome, console)
        report.write(path)  # after each, so that a run that is stopped has left what it found

    signal.signal(signal.SIGTERM, _ended)
    try:
        running.carry_out(plans, contestants(python), python=python, cores=cores, console=console, finished=finished)
    except KeyboardInterrupt:
        console.print(
            "Stopped; nothing runs any more." + (f" What was found is in {path}." if report.scenarios else "")
        )
        raise typer.Exit(130) from None
    table.on_terminal(table.budget_grid(report), console)
    console.print(f"Wrote {path}", highlight=False, soft_wrap=True)
    for picture in _draw(report, out, stem):
        console.print(f"Wrote {picture}", highlight=False, soft_wrap=True)


def _console() -> Console:
    """Returns the terminal; a file is as wide as the tables like."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def _show(outcome: Outcome, console: Console) -> None:
    for grid in table.scenario_grids(SCENARIOS[outcome.name], outcome):
        table.on_terminal(grid, console)


def _names(listed: str, known: list[str], what: str) -> list[str]:
    """Returns the names in a list, in the order in which they are known."""
    asked = [name.strip() for name in listed.split(",") if name.strip()]
    for name in asked:
        if name not in known:
            raise typer.BadParameter(f"no {what} is called {name!r}; there are {', '.join(known)}")
    if not asked:
        raise typer.BadParameter(f"no {what} is named; there are {', '.join(known)}")
    return [name for name in known if name in asked]


def _writable(out: Path) -> None:
    """Says so before anything is measured when the results could not be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise typer.BadParameter(f"nothing can be written into {out}: {error.strerror}") from None


def _machine(python: str, cores: processes.Cores) -> machine.Machine:
    try:
        return machine.describe(python, sorted(cores.server) if cores.pinned else [])
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        raise typer.BadParameter(f"{python} is no Python that this server is installed for: {said}") from None


def _introduce(report: Report, seconds: float, console: Console) -> None:
    found = report.machine
    about = f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    console.print(f"This takes about {about}. Ctrl-C ends it and everything it started.", highlight=False)
    console.print(f"{table.machine_line(found)}", highlight=False)
    for warning in found.warnings():
        console.print(f"Warning: {warning}.", style="yellow", highlight=False)
    console.print()


def _ended(number: int, _frame: object) -> NoReturn:
    """SIGTERM is to end as cleanly as Ctrl-C does."""
    raise KeyboardInterrupt


def _draw(report: Report, folder: Path, prefix: str = "") -> Iterator[Path]:
    """Writes the pictures, and gives the path of each as soon as it is there."""
    under = f"{table.machine_line(report.machine)}, {report.taken[:10]}{', a quick run' if report.quick else ''}"
    for outcome in report.scenarios:
        path = charts.draw(SCENARIOS[outcome.name], outcome, folder / f"{prefix}{outcome.name}.png", under)
        if path:
            yield path


@app.command()
def report(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="The JSON of a run, or of several that each hold a part."),
    ],
    update: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE",
            exists=True,
            dir_okay=False,
            help="Write this run into the page (docs/performance.md), and keep it with its pictures for a commit.",
        ),
    ] = None,
) -> None:
    """Print the tables of an earlier run, or make it the one that docs/performance.md shows."""
    console = _console()
    found = _joined(files)
    for outcome in found.scenarios:
        _show(outcome, console)
    table.on_terminal(table.budget_grid(found), console)
    if update:
        found.write(page.REFERENCE / "results.json")
        for picture in _draw(found, page.REFERENCE):
            console.print(f"Wrote {picture}", highlight=False, soft_wrap=True)
        page.update(update, found)
        console.print(f"Wrote {update} and {page.REFERENCE}", highlight=False, soft_wrap=True)


def _joined(files: list[Path]) -> Report:
    """Returns one report of the scenarios of several runs on one machine; of those run twice, the later file's."""
    runs = []
    for file in files:
        try:
            runs.append(results.read(file))
        except ValueError as error:
            raise typer.BadParameter(f"{file} is no run of the benchmark: {error}") from None
    first = runs[0]
    if any((one.machine.cpu, one.machine.python) != (first.machine.cpu, first.machine.python) for one in runs):
        raise typer.BadParameter("these runs are of different machines or Pythons")
    found = {outcome.name: outcome for one in runs for outcome in one.scenarios}
    first.scenarios = [found[name] for name in SCENARIOS if name in found]
    first.quick = any(one.quick for one in runs)
    return first


if __name__ == "__main__":
    app(prog_name="python -m bench")
