"""`python -m tests.faults`: see README.md beside this file."""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from .checks import check
from .faults import FAULTS, LONG_FAULTS
from .pairs import PHASES
from .record import Run
from .run import DISTURBED, Plan, Verdict, matrix, plans, play_all, timelines
from .soak import soak

_EXAMPLES = """\
examples:
  python -m tests.faults --quick                                  what CI runs: 60 seeds
  python -m tests.faults --all                                    every fault at every phase, three seeds each
  python -m tests.faults --seed 7 --fault sigkill --phase ringing  one run, again
  python -m tests.faults --soak 3600                              an hour of random faults
  python -m tests.faults --check RECORD                           checks a kept record again
"""


def arguments() -> argparse.ArgumentParser:
    """Returns the options."""
    options = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Starts real servers, lets many phones call each other, inflicts faults, and checks what was told.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    what = options.add_mutually_exclusive_group()
    what.add_argument("--quick", action="store_true", help="what CI runs (this is what happens without options)")
    what.add_argument("--all", action="store_true", help="the whole matrix, with long stops and the app's own backoff")
    what.add_argument("--seed", type=int, metavar="N", help="one seed, with the fault and the phase given")
    what.add_argument("--soak", type=float, metavar="SECONDS", help="random faults against one server, for so long")
    what.add_argument("--check", type=Path, metavar="RECORD", help="check a kept record again")
    options.add_argument("--fault", choices=[*FAULTS, *LONG_FAULTS], help="only this fault")
    options.add_argument("--phase", choices=PHASES, help="only this phase")
    options.add_argument("--seeds", type=int, default=60, metavar="N", help="how many runs (default: %(default)s)")
    options.add_argument("--each", type=int, default=3, metavar="N", help="with --all: seeds each (default: 3)")
    options.add_argument("--first", type=int, default=1, metavar="N", help="the first seed (default: 1)")
    options.add_argument("--parallel", type=int, default=4, metavar="N", help="servers side by side (default: 4)")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="where records of bad runs are kept")
    return options


def planned(given: argparse.Namespace) -> list[Plan]:
    """Returns the runs that were asked for."""
    if given.seed is not None:
        faults = [given.fault] if given.fault else list(FAULTS)
        phases = [given.phase] if given.phase else list(PHASES)
        return [Plan(fault, phase, given.seed) for fault in faults for phase in phases]
    faults = [given.fault] if given.fault else [*FAULTS, *(LONG_FAULTS if given.all else ())]
    chosen = matrix(given.each, given.first, faults) if given.all else plans(given.seeds, given.first, faults)
    return [plan for plan in chosen if given.phase in (None, plan.phase)]


async def _collect(coming: AsyncIterator[Verdict], of: str) -> list[Verdict]:
    """Shows the verdicts as they come."""
    verdicts: list[Verdict] = []
    async for verdict in coming:
        verdicts.append(verdict)
        state = verdict.left_out or (f"{len(verdict.violations)} violations" if verdict.violations else "ok")
        seconds = f"{verdict.seconds:.1f} s, {verdict.calls} calls"
        if verdict.stalled > DISTURBED:
            seconds += f"; the machine stood still for {verdict.stalled:.1f} s"
        print(f"{len(verdicts):3}{of}  {verdict.plan}: {state} ({seconds})", file=sys.stderr, flush=True)
        if verdict.violations:
            print(f"\n{verdict.report()}\n", flush=True)
    return verdicts


def table(verdicts: list[Verdict]) -> str:
    """Returns how the runs of each fault at each phase went."""
    cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        state = "-" if verdict.left_out else "bad" if verdict.violations else "ok"
        cells[verdict.plan.fault, verdict.plan.phase][state] += 1
    faults = list(dict.fromkeys(verdict.plan.fault for verdict in verdicts))
    lines = ["".join([f"{'':14}", *(f"{phase:>16}" for phase in PHASES)])]
    for fault in faults:
        words = [" ".join(f"{count} {state}" for state, count in cells[fault, phase].items()) for phase in PHASES]
        lines.append("".join([f"{fault:14}", *(f"{word:>16}" for word in words)]))
    return "\n".join(lines)


def check_again(file: Path) -> int:
    """Checks a kept record; returns the exit code."""
    run = Run.load(file)
    broken = check(run)
    for each in broken:
        print(f"{each.check}: {each.call or '-'} {each.text}")
    print("\n".join(timelines(run, dict.fromkeys(each.call for each in broken if each.call))))
    return 1 if broken else 0


def _verdicts(given: argparse.Namespace, folder: Path) -> list[Verdict]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if given.soak is not None:
            return runner.run(_collect(soak(given.soak, given.first, folder), ""))
        todo = planned(given)
        return runner.run(_collect(play_all(todo, folder, given.parallel), f"/{len(todo)}"))


def main() -> int:
    """Runs what was asked for; returns the exit code."""
    given = arguments().parse_args()
    if given.check is not None:
        return check_again(given.check)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    folder = given.keep or Path(tempfile.mkdtemp(prefix="onlycare-faults-"))
    try:
        verdicts = _verdicts(given, folder)
    except KeyboardInterrupt:
        return 130
    bad = sum(bool(verdict.violations) for verdict in verdicts)
    for why in sorted({verdict.left_out for verdict in verdicts if verdict.left_out}):
        print(f"Left out: {why}")
    print(f"\n{table(verdicts)}\n{len(verdicts) - bad} of {len(verdicts)} runs broke no promise")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
