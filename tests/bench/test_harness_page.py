"""docs/performance.md shows the committed run and nothing else."""

import re
from pathlib import Path

import pytest

from bench import page, results
from bench.results import Report
from bench.scenarios import SCENARIOS

from .reports import cycles, report

TEXT = page.PAGE.read_text()
COMMITTED = page.REFERENCE / "results.json"


def committed() -> Report | None:
    return results.read(COMMITTED) if COMMITTED.exists() else None


def test_the_tables_of_the_page_are_those_of_the_committed_run() -> None:
    """`python -m bench report bench/results/reference/results.json --update docs/performance.md` writes them anew."""
    assert page.filled(TEXT, committed()) == TEXT


def test_the_committed_run_is_no_quick_one_and_nothing_failed_in_it() -> None:
    found = committed()
    if found is not None:
        assert not found.quick
        assert [
            row.failures() for one in found.scenarios for case in one.cases for row in case.rows if row.failures()
        ] == []


def test_the_page_has_a_place_for_every_scenario() -> None:
    assert page.blocks(TEXT) == {"machine", "budgets", "sizing", *SCENARIOS}


def test_the_page_explains_every_scenario() -> None:
    explained = re.findall(r"^\| `([a-z]+)` \|.*\?", TEXT, re.MULTILINE)
    assert explained == list(SCENARIOS)


def test_a_run_is_written_into_its_blocks_and_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "before\n<!-- bench:cycles -->\nold\n<!-- /bench -->\nbetween\n<!-- bench:idle -->\nold\n<!-- /bench -->\n"
    )
    page.update(path, report(cycles((7_000, 5_000, 3_500))))
    first = path.read_text()
    assert "| onlycare | 7,000 |" in first
    assert "(../bench/results/reference/cycles.png)" in first
    assert f"<!-- bench:idle -->\n{page.NOTHING_YET}\n<!-- /bench -->" in first
    assert "old" not in first
    page.update(path, report(cycles((8_000, 5_000, 3_500))))
    second = path.read_text()
    assert "| onlycare | 8,000 |" in second
    assert "7,000" not in second
    assert [line for line in second.splitlines() if line in ("before", "between")] == ["before", "between"]


def test_a_block_without_a_meaning_is_refused() -> None:
    with pytest.raises(KeyError):
        page.filled("<!-- bench:cicles -->\n<!-- /bench -->", report())
