"""The harness itself, run for a moment on real servers: that every scenario works, and that nothing is left running."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from msgspec import structs
from rich.console import Console

from bench import processes, results
from bench.machine import PEERS, ROOT
from bench.results import Case, Outcome
from bench.running import carry_out, plan
from bench.scenario import Size
from bench.scenarios import SCENARIOS, cycles, growth, idle, presence, rejects, restart, storm, survival
from bench.servers import Contestant, contestants
from tests.interop.libraries import leave_out

PAIR = ("onlycare", "node-relay")


@pytest.fixture
def node() -> None:
    """Leaves the test out where the Node servers cannot run."""
    if not (PEERS / "node_modules" / "socket.io").exists():
        leave_out("Node.js and `npm --prefix bench/peers ci` are needed to measure beside the Node servers")


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Returns those that run on; one that has ended and is yet to be reaped, by whomever, runs no more."""
    _, left = psutil.wait_procs(processes, timeout=5)
    return [one for one in left if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process and no pinning survives a run."""
    cores = os.sched_getaffinity(0)
    yield
    assert still_running(psutil.Process().children(recursive=True)) == []
    assert os.sched_getaffinity(0) == cores


def once(name: str, size: Size, of: dict[str, Contestant] | None = None, rounds: int = 1) -> Case:
    """Runs one size of a scenario and returns what it found."""
    found: list[Outcome] = []
    carry_out(
        [plan(structs.replace(SCENARIOS[name], sizes=(size,)), rounds=rounds)],
        of or contestants(sys.executable),
        python=sys.executable,
        cores=processes.available(),
        console=Console(quiet=True),
        finished=found.append,
    )
    (case,) = found[0].cases
    return case


SMALL = {
    "cycles": cycles.size(2, PAIR, warmup=0.1, seconds=0.5),
    "rejects": rejects.size(50, PAIR, warmup=0.1, seconds=0.5),
    "idle": idle.size(20, 0.2, PAIR),
    "storm": storm.size(5, ("onlycare",)),
    "restart": restart.size(5, ("onlycare",)),
    "survival": survival.size(30, 4, kill=True, settle=0.1),
    "presence": presence.size(5, 3, PAIR),
    "growth": growth.size(110, PAIR, warmup=0.1, seconds=0.5),
}


def test_every_scenario_is_run_here() -> None:
    assert set(SMALL) == set(SCENARIOS)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("name", SMALL)
def test_a_scenario_finds_its_figures(name: str) -> None:
    """All but what needs a longer run: CPU time is read in hundredths of a second, and heartbeats are rare."""
    case = once(name, SMALL[name])
    of_cpu = {"per_cpu_second", "cpu_us", *(("server_share", "heartbeats") if name == "idle" else ())}
    for row in case.rows:
        assert row.failures() == []
        (run,) = row.runs
        assert {figure.key for figure in SCENARIOS[name].figures} - of_cpu <= set(run.figures), row.contestant
        assert run.figures["load_share"] >= 0
    assert [row.contestant for row in case.rows] == list(SMALL[name].contestants)


def test_no_call_is_lost_by_a_restart_on_a_file() -> None:
    (run,) = once("survival", survival.size(30, 4, settle=0.1)).rows[0].runs
    assert (run.failure, run.figures["lost"]) == (None, 0)
    assert 0 < run.figures["health_s"] < survival.HEALTHY


def test_without_two_heartbeats_the_cpu_of_idle_users_is_no_figure() -> None:
    case = once("idle", idle.size(4, 0.1, ("onlycare",)))
    assert not {"server_share", "heartbeats"} & set(case.rows[0].runs[0].figures)


def test_this_server_tells_what_held_up_its_loop() -> None:
    case = once("rejects", rejects.size(50, ("onlycare",), warmup=0.1, seconds=0.6))
    assert {"lag_p999_ms", "empty_lag_p999_ms", "lag_less_empty_ms", "gc_pause_max_ms"} <= set(
        case.rows[0].runs[0].figures
    )


def contestant(name: str, program: str) -> Contestant:
    return Contestant(name=name, says="for a test", command=(sys.executable, "-c", program))


def test_a_contestant_that_fails_gets_a_row_and_the_others_go_on() -> None:
    of = {
        "broken": contestant("broken", "raise SystemExit('no licence found')"),
        "missing": Contestant(name="missing", says="for a test", command=("/no/such/program",)),
        "onlycare": contestants(sys.executable)["onlycare"],
    }
    case = once("cycles", cycles.size(1, tuple(of), warmup=0.1, seconds=0.2), of)
    broken, missing, ours = case.rows
    assert broken.failures() == ["the server did not start: no licence found"]
    assert missing.failures() == ["/no/such/program is not installed"]
    assert ours.runs[0].figures["cycles"] > 0


def test_a_server_that_dies_under_the_load_is_named() -> None:
    program = (
        "import os, socket; s = socket.create_server(('127.0.0.1', int(os.environ['PORT'])));"
        "s.accept(); s.accept(); print('out of steam', flush=True); os._exit(3)"
    )
    case = once("cycles", cycles.size(1, ("dying",), warmup=0.1, seconds=0.2), {"dying": contestant("dying", program)})
    assert "the server ended with 3: out of steam" in str(case.rows[0].runs[0].failure)


def test_rounds_go_forwards_and_backwards_in_turn() -> None:
    sizes = (cycles.size(1, ("a", "b")), cycles.size(2, ("a",)))
    steps = plan(structs.replace(SCENARIOS["cycles"], sizes=sizes), rounds=3).steps
    order = [(step.round, step.size.name, step.contestant) for step in steps]
    forwards = [("1 pairs", "a"), ("1 pairs", "b"), ("2 pairs", "a")]
    assert order == [
        *((1, *one) for one in forwards),
        *((2, *one) for one in reversed(forwards)),
        *((3, *one) for one in forwards),
    ]


def test_other_servers_can_be_left_out() -> None:
    restart = SCENARIOS["restart"]
    steps = plan(restart, only=["node-rules", "node-relay"], rounds=2).steps
    assert [step.contestant for step in steps] == ["node-rules"] * 2 * len(restart.sizes)


def test_a_quick_run_is_announced_below_a_minute_and_a_half() -> None:
    assert sum(plan(scenario, quick=True).seconds for scenario in SCENARIOS.values()) < 90


def test_the_first_core_is_the_servers_and_one_core_is_shared() -> None:
    assert processes.share_out({3, 1, 2}) == (frozenset({1}), frozenset({2, 3}))
    assert processes.share_out({3, 1, 2}).pinned
    assert processes.share_out({4}) == (frozenset({4}), frozenset({4}))
    assert not processes.share_out({4}).pinned


def bench(*arguments: str) -> "subprocess.Popen[str]":
    """Starts the command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_the_command_measures_and_writes_what_it_found(tmp_path: Path) -> None:
    done = bench("run", "--quick", "--scenario", "growth", "--out", str(tmp_path))
    said, _ = done.communicate(timeout=60)
    assert done.returncode == 0, said
    assert "This takes about" in said
    assert "onlycare" in said
    (file,) = tmp_path.glob("*-quick-growth.json")
    assert len(list(tmp_path.glob("*-quick-growth.png"))) == 1
    report = results.read(file)
    assert report.quick
    assert report.machine.python.packages["uvloop"]
    row = report.row("growth", "100 users", "onlycare")
    assert row is not None
    assert row.settings["PRESENCE_SCOPE"] == "off"
    assert json.loads(file.read_bytes())["machine"]["kernel"]
    again = subprocess.run([sys.executable, "-m", "bench", "report", file], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "100 users" in again.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing_running(number: signal.Signals, tmp_path: Path) -> None:
    running = bench("run", "--quick", "--scenario", "growth", "--out", str(tmp_path))
    harness = psutil.Process(running.pid)
    deadline = time.monotonic() + 30
    while len(started := harness.children(recursive=True)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started) >= 2, "neither a server nor a load was started"
    running.send_signal(number)
    said, _ = running.communicate(timeout=30)
    assert running.returncode == 130, said
    assert "Stopped" in said
    assert "Traceback" not in said
    assert still_running(started) == []


@pytest.mark.parametrize("option", ["--scenario", "--servers"])
def test_an_unknown_name_is_wrong_usage(option: str) -> None:
    asked = bench("run", option, "cycle")
    said, _ = asked.communicate(timeout=30)
    assert asked.returncode == 2
    assert "'cycle'" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--scenario", ","), "no scenario is named"),
        (("run", "--scenario", "rejects", "--servers", "python-socketio", "--quick"), "takes part"),
        (("run", "--python", "/no/such/python"), "is no Python"),
        (("run", "--out", "/dev/null/results"), "nothing can be written"),
        (("report", __file__), "is no run of the benchmark"),
    ],
)
def test_what_cannot_be_done_is_said_at_once_and_in_a_sentence(arguments: tuple[str, ...], says: str) -> None:
    asked = bench(*arguments)
    said, _ = asked.communicate(timeout=30)
    assert asked.returncode == 2
    assert says in " ".join(said.split())
    assert "Traceback" not in said
