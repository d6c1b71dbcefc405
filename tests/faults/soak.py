"""The soak: one server and its successors on one file of calls, and a fault chosen at random every few seconds.

Each round is a story of its own with a record of its own, which is checked and then forgotten: the memory of a soak
does not grow with its length.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Final

from msgspec import structs

from .faults import FAULTS, PATIENT, Fault
from .pairs import PHASES
from .phone import SLOW_LINE
from .record import Record
from .run import Plan, Verdict, judge, perform
from .stage import Stage, fake_clock_library

_DISK_SIZE: Final = 256
"""MB: what an hour leaves in the file fits."""


async def soak(seconds: float, seed: int, folder: Path) -> AsyncIterator[Verdict]:
    """Plays one round after the other for so long; yields what became of each. A server that is lost ends it."""
    place = folder / f"soak-{seed}"
    place.mkdir(parents=True)
    missing = {name: fault.missing(place) for name, fault in FAULTS.items()}
    possible = [name for name, why in missing.items() if not why]
    for name, why in missing.items():
        if why:
            yield Verdict(Plan(name, PHASES[0], seed), left_out=why)
    disk_size = _DISK_SIZE if "disk_full" in possible else 0
    stage = Stage(place, PATIENT, disk_size=disk_size, fake_clock=fake_clock_library())
    began, random = time.monotonic(), Random(seed)
    async with stage.open():
        while time.monotonic() - began < seconds:
            seed += 1
            plan = Plan(random.choice(possible), random.choice(PHASES), seed)
            verdict = await _round(stage, _patient(FAULTS[plan.fault]), plan)
            yield verdict
            if not stage.server.alive:
                return


def _patient(fault: Fault) -> Fault:
    """Returns a fault as it is on a stage whose server and phones can bear a slow line, too."""
    return structs.replace(fault, terms=PATIENT, pace=SLOW_LINE, slack=max(fault.slack, 1.0))


async def _round(stage: Stage, fault: Fault, plan: Plan) -> Verdict:
    stage.record = Record()
    run = await perform(stage, fault, plan)
    for phone in stage.phones:
        await phone.switch_off()
    stage.people = []
    stage.clock.write_text("+0")
    return judge(plan, run, stage.folder / f"round-{plan.seed}")
