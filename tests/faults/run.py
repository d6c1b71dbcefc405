"""Runs: one server each, several side by side. What a run broke is told with all that is needed to look into it."""

import asyncio
import shutil
import traceback
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from .checks import Violation, check
from .faults import DISK_SIZE, FAULTS, LONG_FAULTS, Fault
from .pairs import PHASES
from .record import Run
from .server import ServerFailure
from .stage import Stage, fake_clock_library
from .story import Story
from .times import longest_stall

DISTURBED: Final = 2.0
"""Seconds for which a machine must stand still for a run to be made again."""
_TRIES: Final = 3
AGAIN: Final = ("sigkill", "sigkill", "sigterm")
"""What is played with further seeds first when there are more seeds than combinations."""


class Plan(NamedTuple):
    """One run to be made."""

    fault: str
    phase: str
    seed: int

    def __str__(self) -> str:
        return f"{self.fault} while {self.phase}, seed {self.seed}"

    @property
    def command(self) -> str:
        """The command that plays it again."""
        return f".venv/bin/python -m tests.faults --seed {self.seed} --fault {self.fault} --phase {self.phase}"


class Verdict(NamedTuple):
    """What became of a run: `left_out` says why it could not be made, `kept` where the record of a bad one is."""

    plan: Plan
    violations: tuple[Violation, ...] = ()
    left_out: str = ""
    kept: Path | None = None
    calls: int = 0
    seconds: float = 0.0
    timelines: tuple[str, ...] = ()
    stalled: float = 0.0
    """For how long at a time the machine stood still, at the most."""

    def report(self) -> str:
        """Returns everything that somebody needs who looks into it."""
        found = [f"  {each.check}: {each.call or '-'} {each.text}" for each in self.violations]
        return "\n".join(
            [str(self.plan), *found, *self.timelines, f"  record: {self.kept}", f"  again:  {self.plan.command}"]
        )


def matrix(each: int, first: int = 1, faults: Sequence[str] = tuple(FAULTS)) -> list[Plan]:
    """Returns every fault at every phase, with so many seeds each."""
    combinations = [(fault, phase) for _ in range(each) for phase in PHASES for fault in faults]
    return [Plan(fault, phase, first + number) for number, (fault, phase) in enumerate(combinations)]


def plans(seeds: int, first: int = 1, faults: Sequence[str] = tuple(FAULTS)) -> list[Plan]:
    """Returns so many runs: every fault at every phase, then more of those that kill. Each has a seed of its own."""
    combinations = [(fault, phase) for phase in PHASES for fault in faults]
    again = [(fault, phase) for fault in AGAIN if fault in faults for phase in PHASES]
    while len(combinations) < seeds:
        combinations += again or combinations
    return [Plan(fault, phase, first + number) for number, (fault, phase) in enumerate(combinations[:seeds])]


async def play(plan: Plan, folder: Path) -> Verdict:
    """Makes one run; again when the machine stood still meanwhile, for that says nothing about the server."""
    for _ in range(_TRIES):
        verdict = await _play_once(plan, folder)
        if verdict.stalled < DISTURBED:
            break
    return verdict


async def _play_once(plan: Plan, folder: Path) -> Verdict:
    """Makes one run. What it needs is in `folder`, which is gone afterwards unless it broke something."""
    fault = (FAULTS | LONG_FAULTS)[plan.fault]
    place = folder / f"{plan.fault}-{plan.phase}-{plan.seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if missing := fault.missing(place):
        shutil.rmtree(place)
        return Verdict(plan, left_out=missing)
    clock = fake_clock_library() if fault.fake_clock else None
    stage = Stage(place, fault.terms, disk_size=DISK_SIZE if fault.fills_disk else 0, fake_clock=clock)
    async with stage.open():
        run = await perform(stage, fault, plan)
        try:
            code, took = await stage.server.terminate()
            if code != 0:
                stage.trouble(f"at the end it stopped with {code}, in {took:.1f} s")
        except ServerFailure as problem:
            stage.trouble(str(problem))
    return judge(plan, run, place)


async def perform(stage: Stage, fault: Fault, plan: Plan) -> Run:
    """Plays one story on a stage that is open; a server that fails ends it early and is noted."""
    stage.random = Random(f"{plan.seed}/fault")
    story = Story(stage, fault, plan.phase, plan.seed)
    try:
        await story.play()
    except ServerFailure as problem:
        stage.trouble(str(problem))
    for line in stage.server.new_log():
        if '"exception"' in line or line.startswith("Traceback"):
            stage.trouble(f"its log has: {line[:400]}")
    return story.so_far()


def judge(plan: Plan, run: Run, place: Path) -> Verdict:
    """Checks a run; one that is fine leaves nothing in its folder."""
    violations = tuple(check(run))
    verdict = Verdict(
        plan,
        violations,
        calls=len({entry.call for entry in run.entries if entry.what == "seen"}),
        seconds=run.entries[-1].at,
        stalled=longest_stall(run),
    )
    if not violations:
        shutil.rmtree(place, ignore_errors=True)
        return verdict
    place.mkdir(exist_ok=True)
    record = place / "record.jsonl"
    run.save(record)
    concerned = dict.fromkeys(each.call for each in violations if each.call)
    return verdict._replace(kept=record, timelines=tuple(timelines(run, concerned)))


def timelines(run: Run, calls: Iterable[str]) -> list[str]:
    """Returns the server's timeline of each of these calls, in the record's seconds, with what phones heard of it."""
    kept = {entry.call: entry.body for entry in run.entries if entry.what == "timeline"}
    told: list[str] = []
    for call in list(calls)[:3]:
        told.append(f"  {call}, as the server has it: {kept.get(call, {}).get('summary', 'nothing is known')}")
        for step in kept.get(call, {}).get("steps", ()):
            words = [
                step["what"],
                step.get("detail", ""),
                step.get("by", ""),
                *step.get("told", ()),
                step.get("to", ""),
            ]
            told.append(f"    {step['at'] / 1000 - run.facts.wall:8.3f}  {' '.join(filter(None, words))}")
        told.append(f"  {call}, as the phones have it:")
        for entry in run.entries:
            if entry.call == call and entry.what in ("sent", "ack", "told"):
                words = [f"{entry.user}/{entry.device}#{entry.connection}", entry.what, entry.event]
                words += [f"{name}={entry.body[name]}" for name in _WORTH_TELLING if name in entry.body]
                told.append(f"    {entry.at:8.3f}  {' '.join(filter(None, words))}")
    return told


_WORTH_TELLING: Final = ("success", "state", "code", "duplicate", "resumed")


async def play_all(planned: Sequence[Plan], folder: Path, parallel: int) -> AsyncIterator[Verdict]:
    """Makes runs side by side, each as its turn comes; yields what became of each when it is over."""
    turn = asyncio.Semaphore(parallel)

    async def in_turn(plan: Plan) -> Verdict:
        async with turn:
            try:
                return await play(plan, folder)
            except Exception:  # noqa: BLE001 (the others go on, and this one is told)
                fault = Violation("the_harness_works", "", traceback.format_exc())
                return Verdict(plan, (fault,), kept=folder)

    for verdict in asyncio.as_completed([asyncio.ensure_future(in_turn(plan)) for plan in planned]):
        yield await verdict
