"""Sixty runs of the fault harness: every fault at every phase, against real servers, several side by side.

Only what is selected is run: `-k "sigkill and ringing"` makes the runs of that test and no others.
"""

import asyncio
from pathlib import Path
from typing import Final

import pytest
import uvloop

from .faults import FAULTS
from .pairs import PHASES
from .run import Plan, Verdict, plans, play_all

SEEDS: Final = 60
PARALLEL: Final = 4
"""Servers side by side: they wait more than they work."""


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    """What became of the runs."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    wanted = {(found["fault"], found["phase"]) for item in here if (found := _parameters(item))}
    todo = [plan for plan in plans(SEEDS) if (plan.fault, plan.phase) in wanted]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_all(todo, tmp_path_factory.mktemp("faults")))


def _parameters(item: pytest.Item) -> dict[str, str]:
    return getattr(getattr(item, "callspec", None), "params", {})


async def _all(todo: list[Plan], folder: Path) -> list[Verdict]:
    return [verdict async for verdict in play_all(todo, folder, PARALLEL)]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_promise_is_broken(fault: str, phase: str, verdicts: list[Verdict]) -> None:
    mine = [verdict for verdict in verdicts if (verdict.plan.fault, verdict.plan.phase) == (fault, phase)]
    assert mine
    for verdict in mine:
        if verdict.left_out:
            pytest.skip(verdict.left_out)
        assert not verdict.violations, f"\n{verdict.report()}"
        assert verdict.calls > 20, "too few calls to say anything"


def test_every_fault_meets_every_phase() -> None:
    planned = plans(SEEDS)
    assert {(plan.fault, plan.phase) for plan in planned} == {(fault, phase) for fault in FAULTS for phase in PHASES}
    assert len({plan.seed for plan in planned}) == len(planned) == SEEDS
