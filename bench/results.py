"""What a run of the benchmark found, as it stands in its JSON file, and the medians and ratios taken from it.

The file holds the figures of every single run; nothing in it is derived, so that whoever doubts a median can count
again. Seconds, milliseconds and bytes are in the names of the figures (`scenarios/` has the list).
"""

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from bench.machine import Machine

SCHEMA: Final = 1
LOAD_IS_THE_BOUND: Final = 0.9
"""Above this share of its core the load may have been what was measured."""

MUCH_BESIDE: Final = 0.1
"""Above this share of the server's core taken by something else, a run says little."""

Figures = dict[str, float]


class Run(Struct):
    """One contestant measured once: its figures, or the sentence that says why there are none."""

    round: int
    figures: Figures = {}
    failure: str | None = None
    took: float = 0.0
    """Seconds of the whole run, with starting and stopping."""


class Row(Struct):
    """All runs of one contestant in one case, and the settings it was started with."""

    contestant: str
    settings: dict[str, str]
    runs: list[Run]

    def by_round(self, figure: str) -> Figures:
        """Returns a figure by the number of the round, as text, of the rounds that have it."""
        return {str(run.round): run.figures[figure] for run in self.runs if figure in run.figures}

    def count(self, failure: str) -> int:
        """Returns how many runs failed for this reason."""
        return sum(run.failure == failure for run in self.runs)

    def failures(self) -> list[str]:
        """Returns why runs failed, each reason once."""
        return list(dict.fromkeys(run.failure for run in self.runs if run.failure))


class Case(Struct):
    """One size of a scenario, such as 100 pairs, on all contestants that took part in it."""

    name: str
    rows: list[Row]

    def row(self, contestant: str) -> Row | None:
        """Returns the runs of a contestant, or None if it took no part."""
        return next((row for row in self.rows if row.contestant == contestant), None)


class Outcome(Struct):
    """What a scenario found, size by size."""

    name: str
    cases: list[Case]

    def case(self, name: str) -> Case | None:
        """Returns a size by its name."""
        return next((case for case in self.cases if case.name == name), None)


class Report(Struct, kw_only=True):
    """One run of the benchmark."""

    schema: int = SCHEMA
    taken: str
    """When it began: ISO 8601 in UTC."""
    quick: bool
    machine: Machine
    scenarios: list[Outcome]

    def row(self, scenario: str, case: str, contestant: str) -> Row | None:
        """Returns the runs of a contestant, or None if there are none."""
        found = next((one for one in self.scenarios if one.name == scenario), None)
        size = found.case(case) if found else None
        return size.row(contestant) if size else None

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        draft.replace(path)


def read(path: Path) -> Report:
    """Returns a written report; raises ValueError when the file is none, or of another schema."""
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    if report.schema != SCHEMA:
        raise ValueError(f"{path} has schema {report.schema}, and this version reads {SCHEMA}")
    return report


class Spread(NamedTuple):
    """The median of several rounds and the range they lie in."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Iterable[float]) -> Spread | None:
    """Returns the median and the range, or None of no values."""
    found = sorted(values)
    return Spread(median(found), found[0], found[-1], len(found)) if found else None


def ratio(row: Row | None, to: Row | None, figure: str) -> Spread | None:
    """Returns how many times a figure is the other's: one ratio for each round that both have, never across rounds."""
    if row is None or to is None:
        return None
    mine, theirs = row.by_round(figure), to.by_round(figure)
    return spread(mine[round_] / theirs[round_] for round_ in mine.keys() & theirs.keys() if theirs[round_])
