"""Where one call cycle goes, by layer: what a call costs the server, shared out by a sampling profiler.

    python -m bench.profile [--pairs 100] [--seconds 4] [--python PATH] [--top 0] [--json]

The server with everything on carries call cycles twice: alone, which gives the CPU time of a cycle, and under py-spy,
which gives the shares. py-spy stops the process for each sample and reads its stack with the C parts, so its run is
slower; only proportions are taken from it. It has to start the server itself, because many systems let a process be
looked into by its parent alone.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import psutil
from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table

from bench import machine, processes
from bench.layers import LAYERS, REST, fold
from bench.machine import Machine
from bench.processes import Failed
from bench.running import Shown
from bench.servers import Contestant, Server, contestants
from bench.stage import Stage

SETTINGS: Final = {"PRESENCE_SCOPE": "off"}
RATE: Final = 400
"""Samples a second."""
WARMUP: Final = 1.0
_WRITTEN: Final = 30.0
"""Seconds py-spy may take to write what it has when the server has ended."""


class Share(Struct):
    """What one layer, or one function, takes of a cycle."""

    name: str
    share: float
    microseconds: float


class Profile(Struct):
    """Where the time of a call cycle goes. Microseconds are CPU time of the server, the kernel's included."""

    machine: Machine
    pairs: int
    microseconds_per_cycle: float
    samples: int
    layers: list[Share]
    functions: list[Share]


def find_profiler(python: str) -> str:
    """Returns the path of py-spy, of the same environment as `python` if it is there; raises Failed."""
    found = shutil.which("py-spy", path=os.pathsep.join((str(Path(python).parent), os.environ.get("PATH", ""))))
    if found is None:
        raise Failed("py-spy is not installed: .venv/bin/pip install py-spy")
    return found


def cost(stage: Stage, contestant: Contestant, options: tuple[object, ...]) -> float:
    """Returns the CPU microseconds of one cycle, with nobody looking."""
    with stage.server(contestant, SETTINGS) as server:
        result = stage.load(server, "cycles", *options)
    if not result["cycles"]:
        raise Failed("no call came to its end: more --seconds are needed")
    return float(result["server_cpu_seconds"] / result["cycles"] * 1e6)


def sample(stage: Stage, contestant: Contestant, profiler: str, options: tuple[object, ...]) -> list[str]:
    """Returns the stacks that were seen while the server carried call cycles."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        raw = Path(directory, "stacks")
        record = (profiler, "record", "--native", "--rate", str(RATE), "--format", "raw", "--output", str(raw), "--")
        watched = structs.replace(contestant, command=(*record, *contestant.command))
        server = Server(watched, SETTINGS, stage.cores.others)
        try:
            server.start()
            own = psutil.Process(server.pid).children()[0]
            own.cpu_affinity(list(stage.cores.server))
            stage.load(server, "cycles", *options)
            own.terminate()
            server.gone(_WRITTEN)
            return raw.read_text().splitlines()
        except (FileNotFoundError, IndexError):
            raise Failed("py-spy could not look into the server; it may need more rights on this machine") from None
        finally:
            server.close()


def shares(counts: Mapping[str, int], microseconds: float, names: tuple[str, ...]) -> list[Share]:
    """Returns what each of these has of a cycle that takes so many microseconds."""
    total = sum(counts.values())
    return [Share(name, counts[name] / total, counts[name] / total * microseconds) for name in names]


def take(python: str, pairs: int, seconds: float, top: int, console: Console) -> Profile:
    """Measures and samples. Raises Failed."""
    profiler, cores = find_profiler(python), processes.available()
    contestant = contestants(python)["onlycare"]
    options = ("--pairs", pairs, "--seconds", seconds, "--warmup", WARMUP)
    each = WARMUP + seconds + 2
    with Shown(console, 2 * each) as shown, Stage(python, cores, shown.at) as stage:
        shown.begin("alone", each)
        microseconds = cost(stage, contestant, options)
        shown.begin("under py-spy", each)
        layers, functions = fold(sample(stage, contestant, profiler, options))
    if not layers:
        raise Failed("py-spy saw nothing of the server at work")
    names = (*LAYERS, REST)
    return Profile(
        machine=machine.describe(python, sorted(cores.server) if cores.pinned else []),
        pairs=pairs,
        microseconds_per_cycle=microseconds,
        samples=layers.total(),
        layers=shares(layers, microseconds, names),
        functions=shares(functions, microseconds, tuple(name for name, _ in functions.most_common(top))),
    )


def show(profile: Profile, console: Console) -> None:
    """Prints it as tables."""
    title = f"One call cycle: {profile.microseconds_per_cycle:.0f} µs of CPU, {profile.pairs} pairs"
    for heading, rows in (("layer", profile.layers), ("function", profile.functions)):
        if rows:
            table = Table(title=title if heading == "layer" else None)
            table.add_column(heading)
            table.add_column("share", justify="right")
            table.add_column("µs", justify="right")
            for row in rows:
                table.add_row(row.name, f"{row.share:.1%}", f"{row.microseconds:.1f}")
            console.print(table)
    console.print(f"{profile.samples:,} samples", highlight=False)


def main() -> int:
    """Reads the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100, help="users who call each other, in pairs")
    parser.add_argument("--seconds", type=float, default=4, help="how long each of the two runs measures")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the server")
    parser.add_argument("--top", type=int, default=0, help="show so many functions too, the dearest first")
    parser.add_argument("--json", action="store_true", help="write JSON to standard output")
    asked = parser.parse_args()
    if asked.pairs < 1 or asked.seconds <= 0:
        parser.error("--pairs and --seconds must be above 0")
    try:
        found = take(asked.python, asked.pairs, asked.seconds, asked.top, Console(stderr=True))
    except Failed as failure:
        print(f"bench.profile: {failure}", file=sys.stderr)
        return 1
    if asked.json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        show(found, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
