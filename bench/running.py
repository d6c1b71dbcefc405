"""Runs scenarios in rounds over the contestants, forwards and backwards in turn, and shows how far it is.

A contestant that fails gets the reason into its row, and the others go on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from bench.processes import Cores, Failed
from bench.results import Case, Outcome, Row, Run
from bench.scenario import Scenario, Size
from bench.servers import Contestant
from bench.stage import Stage


class Step(NamedTuple):
    """One contestant measured once."""

    round: int
    size: Size
    contestant: str


class Plan(NamedTuple):
    """A scenario with all its steps, in the order in which they are taken."""

    scenario: Scenario
    rounds: int
    sizes: tuple[Size, ...]
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return sum(step.size.seconds for step in self.steps)


def plan(
    scenario: Scenario, *, quick: bool = False, rounds: int | None = None, only: Sequence[str] | None = None
) -> Plan:
    """Returns the steps of a scenario; a quick run has one round unless it is told otherwise.

    `only` leaves out all contestants but these.
    """
    sizes = scenario.quick if quick else scenario.sizes
    if only is not None:
        narrowed = [structs.replace(size, contestants=_in(size.contestants, only)) for size in sizes]
        sizes = tuple(size for size in narrowed if size.contestants)
    rounds = rounds or (1 if quick else scenario.rounds)
    return Plan(scenario, rounds, sizes, tuple(_interleaved(sizes, rounds)))


def _in(contestants: Sequence[str], only: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in contestants if name in only)


def _interleaved(sizes: Sequence[Size], rounds: int) -> Iterator[Step]:
    there = [(size, contestant) for size in sizes for contestant in size.contestants]
    for number in range(rounds):
        for size, contestant in there if number % 2 == 0 else reversed(there):
            yield Step(number + 1, size, contestant)


class Shown:
    """The progress: a bar for the whole run and one for the step at hand; without a terminal, a line for each step."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self._all = self._bars.add_task("the whole run", total=max(seconds, 0.001))
        self._step: TaskID = self._bars.add_task("", total=1.0)
        self._done = 0.0
        self._seconds = 0.0
        self._begun = 0.0
        self._name = ""

    def __enter__(self) -> "Shown":
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, name: str, seconds: float) -> None:
        """A step begins that takes about so long."""
        self._done += self._seconds
        self._name, self._seconds, self._begun = name, seconds, time.monotonic()
        self._bars.update(self._all, completed=self._done)
        self._bars.reset(self._step, description=name, total=1.0)
        if not self._console.is_terminal:
            self._console.print(name, highlight=False)

    def at(self, done: float, what: str) -> None:
        """The load says that it is so far, from 0 to 1, with a piece of its work."""
        passed = min(time.monotonic() - self._begun, self._seconds)
        self._bars.update(self._all, completed=self._done + passed)
        self._bars.update(self._step, completed=done, description=f"{self._name}: {what}" if what else self._name)


Report = Callable[[Outcome], None]


def carry_out(
    plans: Sequence[Plan],
    contestants: dict[str, Contestant],
    *,
    python: str,
    cores: Cores,
    console: Console,
    finished: Report,
) -> None:
    """Runs every plan; `finished` is called with what a scenario found, as soon as it is through."""
    shown = Shown(console, sum(one.seconds for one in plans))
    # The stage first: the thread that draws the bars is to keep off the server's core as well.
    with Stage(python, cores, shown.at) as stage, shown:
        for one in plans:
            finished(_scenario(one, contestants, stage, shown))


def _scenario(plan: Plan, contestants: dict[str, Contestant], stage: Stage, shown: Shown) -> Outcome:
    rows = {
        (size.name, name): Row(name, contestants[name].told(size.settings), [])
        for size in plan.sizes
        for name in size.contestants
    }
    for step in plan.steps:
        shown.begin(
            f"{plan.scenario.name}, {step.size.name}: {step.contestant}, round {step.round} of {plan.rounds}",
            step.size.seconds,
        )
        rows[step.size.name, step.contestant].runs.append(_run(step, contestants[step.contestant], stage))
    cases = [Case(size.name, [rows[size.name, name] for name in size.contestants]) for size in plan.sizes]
    return Outcome(plan.scenario.name, cases)


def _run(step: Step, contestant: Contestant, stage: Stage) -> Run:
    begun = time.monotonic()
    run = Run(step.round)
    try:
        run.figures = step.size.measure(stage, contestant, step.size.settings)
    except (Failed, OSError) as failure:
        run.failure = str(failure)
    run.took = round(time.monotonic() - begun, 2)
    return run
