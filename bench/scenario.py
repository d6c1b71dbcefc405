"""What a scenario says of itself: its sizes, its figures, and how one contestant is measured once."""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from bench.results import Figures
from bench.servers import Contestant
from bench.stage import Stage

ALL: Final = ("onlycare", "node-relay", "node-rules", "python-socketio")
BOTH_NODE: Final = ("onlycare", "node-relay", "node-rules")
WITH_RULES: Final = ("onlycare", "node-rules")
SQLITE: Final = "onlycare-sqlite"


class Figure(Struct, frozen=True, kw_only=True):
    """One number of every run."""

    key: str
    label: str
    digits: int = 0
    percent: bool = False
    """The value is a share of one."""


class Size(Struct, frozen=True, kw_only=True):
    """One size of a scenario, such as 100 pairs."""

    name: str
    contestants: tuple[str, ...]
    seconds: float
    """About how long one run takes, with starting and stopping."""
    settings: dict[str, str] = {}
    """What every server is started with, beside what is its own."""
    measure: Callable[[Stage, Contestant, dict[str, str]], Figures]
    """Measures a contestant once, with these settings; raises Failed."""


class Scenario(Struct, frozen=True, kw_only=True):
    """A question about the servers and how it is asked."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    """The columns of the table; runs hold more."""
    inside: tuple[Figure, ...] = ()
    """The columns of a second table, of servers that tell what goes on inside of them."""
    compared: tuple[str, ...]
    """The figures whose ratios to the Node servers are shown."""
    chart: Literal["bars", "percentiles", "growth"] = "bars"
    panels: tuple[str, ...] = ()
    """The figures that are drawn, each in a panel of its own; `percentiles` draws one panel for each size instead."""
    rounds: int
    sizes: tuple[Size, ...]
    quick: tuple[Size, ...]

    def figure(self, key: str) -> Figure:
        """Returns a figure by its key."""
        return next(figure for figure in (*self.figures, *self.inside) if figure.key == key)


def figures_of(result: dict[str, Any], per_cpu_second: str | None = None) -> Figures:
    """Returns the numbers of a load's result, `{"latency_ms": {"p50": 1}}` as `p50_ms`, with shares of the cores.

    `per_cpu_second` names the count that is also given per second and per CPU second of the server.
    """
    figures: Figures = {}
    for key, value in result.items():
        if isinstance(value, dict):
            unit = key.rpartition("_")[2]
            figures |= {f"{name}_{unit}": float(number) for name, number in value.items()}
        elif isinstance(value, int | float):
            figures[key] = float(value)
    seconds, cpu = figures.get("seconds", 0.0), figures.get("server_cpu_seconds", 0.0)
    if seconds:
        figures["load_share"] = figures["load_cpu_seconds"] / seconds
        figures["server_share"] = cpu / seconds
    if per_cpu_second and seconds:
        figures["per_second"] = figures[per_cpu_second] / seconds
        if cpu:  # read in hundredths of a second: a short run may have none
            figures["per_cpu_second"] = figures[per_cpu_second] / cpu
    return figures
