"""Medians, ranges and ratios, and the file they are taken from."""

from pathlib import Path

import msgspec
import pytest

from bench import results
from bench.machine import ROOT
from bench.results import Spread, ratio, spread
from bench.scenario import figures_of
from bench.servers import contestants

from .reports import cycles, outcome, report, row


def test_a_written_report_is_read_as_it_was(tmp_path: Path) -> None:
    written = report(cycles((100, 80, 50)), outcome("idle", users_500=[row("node-relay", "it did not start")]))
    written.write(tmp_path / "new" / "one.json")
    assert results.read(tmp_path / "new" / "one.json") == written
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one.json"]


def test_a_report_of_another_schema_is_refused(tmp_path: Path) -> None:
    other = report()
    other.schema = results.SCHEMA + 1
    other.write(tmp_path / "one.json")
    with pytest.raises(ValueError, match="schema"):
        results.read(tmp_path / "one.json")


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"schema":1}')
    with pytest.raises(msgspec.ValidationError):
        results.read(tmp_path / "one.json")


def test_a_spread_is_the_median_and_the_range() -> None:
    assert spread([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0, 3)
    assert spread([1.0, 2.0]) == Spread(1.5, 1.0, 2.0, 2)
    assert spread([]) is None


def test_a_ratio_is_taken_within_each_round_and_then_the_median_of_the_ratios() -> None:
    mine = row("onlycare", {"x": 10}, {"x": 60}, {"x": 30})
    theirs = row("node-relay", {"x": 10}, {"x": 20}, {"x": 15})
    assert ratio(mine, theirs, "x") == Spread(2.0, 1.0, 3.0, 3)


def test_a_ratio_leaves_out_rounds_that_one_of_the_two_failed_in() -> None:
    mine = row("onlycare", {"x": 10}, "it crashed", {"x": 30})
    theirs = row("node-relay", {"x": 10}, {"x": 1}, {"x": 15})
    assert ratio(mine, theirs, "x") == Spread(1.5, 1.0, 2.0, 2)
    assert ratio(mine, row("node-relay", "a", "b", "c"), "x") is None
    assert ratio(mine, None, "x") is None


def test_a_reason_of_several_failures_is_named_once() -> None:
    failing = row("onlycare", "no port", {"x": 1}, "no port", "no file")
    assert failing.failures() == ["no port", "no file"]
    assert failing.count("no port") == 2


def test_figures_are_taken_per_second_and_per_cpu_second() -> None:
    result = {
        "cycles": 900,
        "cycle_ms": {"p50": 1.5, "p99": 4},
        "seconds": 2.0,
        "server_cpu_seconds": 1.5,
        "load_cpu_seconds": 0.5,
        "note": "words are no figures",
    }
    assert figures_of(result, per_cpu_second="cycles") == {
        "cycles": 900,
        "p50_ms": 1.5,
        "p99_ms": 4,
        "seconds": 2,
        "server_cpu_seconds": 1.5,
        "load_cpu_seconds": 0.5,
        "load_share": 0.25,
        "server_share": 0.75,
        "per_second": 450,
        "per_cpu_second": 600,
    }


def test_without_cpu_time_nothing_is_given_per_cpu_second() -> None:
    result = {"connects": 5, "seconds": 0.1, "server_cpu_seconds": None, "load_cpu_seconds": 0.01}
    assert "per_cpu_second" not in figures_of(result, per_cpu_second="connects")


def test_a_report_does_not_tell_where_the_checkout_lies() -> None:
    ours = contestants("python3")["onlycare-uncompiled"]
    assert str(ROOT) in ours.started_with({})["PYTHONPATH"]
    assert str(ROOT) not in str(ours.told({"PRESENCE_SCOPE": "off"}))
