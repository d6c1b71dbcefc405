"""What is shown of a run: tables on the terminal and in documents, and pictures."""

import io
import struct
from pathlib import Path

import pytest
import typer
from msgspec import structs
from rich.console import Console

from bench import charts, table
from bench.__main__ import _joined
from bench.results import Outcome, Report
from bench.scenarios import SCENARIOS

from .reports import cycles, outcome, report, row


def shown(grid: table.Grid, width: int = 150) -> str:
    written = io.StringIO()
    table.on_terminal(grid, Console(file=written, width=width))
    return written.getvalue()


def cycles_table(found: Outcome) -> table.Grid:
    return table.scenario_grids(SCENARIOS["cycles"], found)[0]


def test_a_table_shows_median_range_and_ratios() -> None:
    lines = shown(cycles_table(cycles((7_000, 5_000, 3_500), (9_000, 5_000, 3_000)))).splitlines()
    first = next(line for line in lines if "onlycare" in line)
    below = lines[lines.index(first) + 1]
    assert "8,000" in first
    assert "1.60" in first
    assert "2.50" in first
    assert "7,000-9,000" in below
    assert "1.40-1.80" in below
    assert "2.00-3.00" in below


def test_one_round_has_no_range() -> None:
    size, ours, *_ = cycles_table(cycles((7_000, 5_000, 3_500))).lines
    assert size[:2] == ["100 pairs", ""]
    assert ours[:2] == ["  onlycare", "7,000"]
    assert not any("\n" in cell for cell in ours)


def test_a_load_that_had_time_left_is_said_not_to_be_the_bound() -> None:
    assert "The load was never the bound: it took at most 62% of its core." in shown(
        cycles_table(cycles((7_000, 5_000, 3_500), load_share=0.62))
    )


def test_a_load_without_time_left_is_named_the_bound() -> None:
    said = shown(cycles_table(cycles((7_000, 5_000, 3_500), load_share=0.97)))
    assert "THE LOAD WAS THE BOUND" in said
    assert "never the bound" not in said
    assert "node-rules, 100 pairs" in said


def test_a_failure_stands_in_its_row_and_its_reason_below() -> None:
    said = shown(cycles_table(outcome("cycles", pairs_100=[row("node-rules", "node is not installed", "gone")])))
    assert "failed" in next(line for line in said.splitlines() if "node-rules" in line)
    assert "node-rules, 100 pairs: 1 of 2 failed: node is not installed" in said
    assert "node-rules, 100 pairs: 1 of 2 failed: gone" in said


def test_a_narrow_terminal_cuts_no_figure() -> None:
    written = shown(cycles_table(cycles((7_000, 5_000, 3_500), (9_000, 5_000, 3_000))), width=40)
    for figure in ("8,000", "7,000-9,000", "50%", "1.60", "1.40-1.80", "2.50", "2.00-3.00"):
        assert figure in written


def test_budgets_show_must_aim_measured_and_verdict() -> None:
    said = shown(table.budget_grid(report(cycles((120, 100, 50)))))
    line = next(line for line in said.splitlines() if "beside the bare Node relay, 100 pairs" in line)
    assert [cell.strip() for cell in line.split("  ") if cell.strip()][1:] == [
        "≥ 1 x",
        "≥ 1.5 x",
        "1.20 x",
        "1.20 to 1.20",
        "must met",
    ]
    assert "Not measured in this run" in said


def test_budgets_of_a_quick_run_are_marked() -> None:
    assert "too short to judge by" in shown(table.budget_grid(report(cycles((120, 100, 50)), quick=True)))
    assert "too short to judge by" not in shown(table.budget_grid(report(cycles((120, 100, 50)))))


def test_markdown_has_a_cell_for_each_figure() -> None:
    grid = cycles_table(cycles((7_000, 5_000, 3_500), (9_000, 5_000, 3_000)))
    lines = [line for line in table.as_markdown(grid).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 1 + 3
    assert {line.count("|") for line in lines} == {len(grid.head) + 1}
    assert lines[2].startswith("| **100 pairs** |")
    assert lines[3].startswith("| onlycare | 8,000 (7,000-9,000) |")


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234"), (0.749, "0.749"), (12.34, "12.3"), (0, "0")])
def test_numbers_have_three_figures(value: float, text: str) -> None:
    assert table.number(value) == text


def every_outcome() -> Report:
    return report(
        *(
            Outcome(
                scenario.name,
                [
                    outcome(
                        scenario.name,
                        users_1=[
                            row(name, {figure.key: 1.0 + at for figure in scenario.figures}, "it failed")
                            for at, name in enumerate(size.contestants)
                        ],
                    ).cases[0]
                    for size in scenario.sizes
                ],
            )
            for scenario in SCENARIOS.values()
        )
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_a_picture(name: str, tmp_path: Path) -> None:
    found = next(one for one in every_outcome().scenarios if one.name == name)
    path = charts.draw(SCENARIOS[name], found, tmp_path / "new" / "one.png", "machine and date")
    assert path == tmp_path / "new" / "one.png"
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert min(struct.unpack(">II", head[16:24])) > 200


def test_nothing_is_drawn_where_all_failed(tmp_path: Path) -> None:
    failed = outcome("cycles", pairs_100=[row("onlycare", "no port")])
    assert charts.draw(SCENARIOS["cycles"], failed, tmp_path / "one.png", "") is None
    assert not list(tmp_path.iterdir())


def test_runs_that_each_hold_a_part_make_one_report(tmp_path: Path) -> None:
    files = []
    for number, found in enumerate((report(cycles((120, 100, 50))), report(cycles((140, 100, 50))))):
        files.append(tmp_path / f"{number}.json")
        found.write(files[-1])
    [joined] = _joined(files).scenarios
    assert joined == cycles((140, 100, 50))


def test_runs_of_two_machines_are_not_joined(tmp_path: Path) -> None:
    elsewhere = report(cycles((120, 100, 50)))
    elsewhere.machine = structs.replace(elsewhere.machine, cpu="Another CPU")
    files = [tmp_path / "here.json", tmp_path / "there.json"]
    report(cycles((120, 100, 50))).write(files[0])
    elsewhere.write(files[1])
    with pytest.raises(typer.BadParameter, match="different machines"):
        _joined(files)
