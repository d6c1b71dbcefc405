"""One picture for each scenario, readable without the table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.results import Case, Outcome, Row, Spread, spread
from bench.scenario import Figure, Scenario

COLOURS: Final = {
    "onlycare": "#0b6e4f",
    "onlycare-sqlite": "#66a182",
    "onlycare-uncompiled": "#a9cbb7",
    "node-relay": "#8d99ae",
    "node-rules": "#2b4c7e",
    "python-socketio": "#d08c3f",
}
_OTHER: Final = "#777777"
_WIDTH: Final = 9.0


def draw(scenario: Scenario, found: Outcome, path: Path, under: str) -> Path | None:
    """Writes the picture of a scenario and returns its path, or None when no contestant has figures.

    `under` is the line at its foot: machine and date.
    """
    cases = [case for case in found.cases if any(run.figures for row in case.rows for run in row.runs)]
    if not cases:
        return None
    picture = {"bars": _bars, "percentiles": _percentiles, "growth": _growth}[scenario.chart](scenario, cases)
    picture.suptitle(scenario.title, x=0.02, y=0.99, va="top", ha="left", fontsize=12, fontweight="bold")
    picture.text(0.02, 0.01, under, fontsize=7.5, color="#555555")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(picture)
    picture.savefig(path, dpi=110)
    return path


def _picture(panels: int, height: float, *, beside: bool, legend: float = 0.0) -> tuple[Picture, list[Axes]]:
    """Returns a picture of this height with empty panels; all in inches, `legend` what is left free below the title."""
    picture = Picture(figsize=(_WIDTH, height))
    foot, top = 0.28 / height, (0.45 + legend) / height
    picture.set_layout_engine("constrained", rect=(0.015, foot, 0.97, 1 - foot - top))
    shape = (1, panels) if beside else (panels, 1)
    axes = picture.subplots(*shape, squeeze=False)
    return picture, [axis for row in axes for axis in row]


def _bars(scenario: Scenario, cases: Sequence[Case]) -> Picture:
    """Bars with their range, one panel for each figure, the sizes below each other."""
    lines = sum(len(case.rows) for case in cases) + len(cases)
    picture, panels = _picture(len(scenario.panels), 1.1 + 0.34 * lines, beside=True)
    for panel, key in zip(panels, scenario.panels, strict=True):
        figure = scenario.figure(key)
        names: list[tuple[float, str]] = []
        at = 0.0
        for case in cases:
            panel.text(0, -at - 0.05, case.name, fontsize=9, fontweight="bold", va="center")
            at += 1
            for row in case.rows:
                names.append((-at, row.contestant))
                _bar(panel, -at, row, figure)
                at += 1
        panel.set_yticks([place for place, _ in names], [name for _, name in names], fontsize=9)
        panel.set_ylim(-at + 0.3, 0.6)
        panel.margins(x=0.28)
        panel.set_xlim(left=0)
        panel.set_title(figure.label, fontsize=10, loc="left")
        panel.xaxis.set_major_locator(MaxNLocator(5))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _, percent=figure.percent: _tick(value, percent)))
        _plain(panel, "x")
    for panel in panels[1:]:
        panel.set_yticklabels([])
    return picture


def _bar(panel: Axes, at: float, row: Row, figure: Figure) -> None:
    values = spread(row.by_round(figure.key).values())
    if values is None:
        measured = any(run.figures for run in row.runs)
        says, colour = (" not measured", "#555555") if measured else (" failed", "#b3001b")
        panel.text(0, at, says, va="center", fontsize=8.5, color=colour)
        return
    panel.barh(at, values.median, height=0.68, color=_colour(row.contestant))
    panel.plot([values.low, values.high], [at, at], color="#222222", linewidth=1.2)
    panel.annotate(
        _short(values, figure), (values.high, at), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8.5
    )


def _percentiles(scenario: Scenario, cases: Sequence[Case]) -> Picture:
    """One panel for each size: how the latency grows towards the rarest calls, on a scale of powers of ten."""
    picture, panels = _picture(len(cases), 4.4, beside=True, legend=0.25)
    figures = [scenario.figure(key) for key in scenario.panels]
    for panel, case in zip(panels, cases, strict=True):
        for row in case.rows:
            values = [spread(row.by_round(figure.key).values()) for figure in figures]
            there = [(at, value) for at, value in enumerate(values) if value is not None]
            _line(panel, row.contestant, [float(at) for at, _ in there], [value for _, value in there])
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.set_xticks(range(len(figures)), [figure.label.removesuffix(" ms") for figure in figures], fontsize=9)
        panel.set_title(case.name, fontsize=10, loc="left")
        _plain(panel, "y")
    _same_scale(panels)
    panels[0].set_ylabel("ms, median of the rounds and range", fontsize=9)
    names, labels = panels[0].get_legend_handles_labels()
    below_title = (0.01, 1 - 0.27 / picture.get_figheight())
    picture.legend(
        names, labels, fontsize=8.5, frameon=False, loc="upper left", bbox_to_anchor=below_title, ncols=len(labels)
    )
    return picture


def _growth(scenario: Scenario, cases: Sequence[Case]) -> Picture:
    """The cost over the number of users, which has a scale of powers of ten."""
    picture, panels = _picture(len(scenario.panels), 4.2, beside=False)
    users = [float(case.name.split()[0].replace(",", "")) for case in cases]
    for panel, key in zip(panels, scenario.panels, strict=True):
        for name in dict.fromkeys(row.contestant for case in cases for row in case.rows):
            rows = [case.row(name) for case in cases]
            values = [spread(row.by_round(key).values()) if row else None for row in rows]
            there = [(at, value) for at, value in zip(users, values, strict=True) if value is not None]
            _line(panel, name, [at for at, _ in there], [value for _, value in there])
        panel.set_xscale("log")
        panel.set_xticks(users, [case.name for case in cases], fontsize=9)
        panel.minorticks_off()
        panel.margins(y=0.15)
        panel.set_ylim(bottom=0)
        panel.set_ylabel(scenario.figure(key).label, fontsize=9)
        panel.legend(fontsize=8, frameon=False, loc="lower right")
        _plain(panel, "y")
    return picture


def _line(panel: Axes, name: str, at: list[float], values: list[Spread]) -> None:
    panel.fill_between(
        at, [value.low for value in values], [value.high for value in values], color=_colour(name), alpha=0.15
    )
    panel.plot(at, [value.median for value in values], marker="o", markersize=4, color=_colour(name), label=name)


def _same_scale(panels: Sequence[Axes]) -> None:
    low = min(panel.get_ylim()[0] for panel in panels)
    high = max(panel.get_ylim()[1] for panel in panels)
    for panel in panels:
        panel.set_ylim(low, high)


def _plain(panel: Axes, axis: str) -> None:
    panel.grid(axis="x" if axis == "x" else "y", color="#dddddd", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=8.5, length=0)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)


def _tick(value: float, percent: bool) -> str:
    return f"{100 * value:g}%" if percent else f"{value:,.10g}"


def _colour(contestant: str) -> str:
    return COLOURS.get(contestant, _OTHER)


def _short(values: Spread, figure: Figure) -> str:
    return f"{values.median:.{figure.digits}%}" if figure.percent else f"{values.median:,.{figure.digits}f}"
