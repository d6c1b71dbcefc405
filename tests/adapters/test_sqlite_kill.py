"""kill -9, for real and again and again: what anybody was told is in the file."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onlycare_socket.calls.ids import UserId
from tests.phones import HandClock

from .sqlite_stores import opened, rows

ROOT = Path(__file__).parents[2]
ROUNDS = 10


def killed_in_the_middle(path: Path, seed: int) -> list[list[str]]:
    """Runs a process on the file, kills it after a while, and returns what it had said by then."""
    chance = random.Random(seed)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.sqlite_child", path, str(seed)], cwd=ROOT, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        assert lines == [b"up\n"], "it did not start"
        lines += [child.stdout.readline() for _ in range(chance.randrange(1, 800))]
        time.sleep(chance.random() / 50)
        child.kill()
        said = (*lines, *child.stdout)
    return [line.decode().split() for line in said if line.endswith(b"\n")]


@pytest.mark.parametrize("first", [0, ROUNDS // 2])
async def test_what_was_told_is_true_afterwards(tmp_path: Path, first: int) -> None:
    """Each process takes up the file that the one before it was killed on."""
    path, clock = tmp_path / "calls.db", HandClock()
    told: dict[str, tuple[int, str]] = {}
    facts: dict[str, set[str]] = {"kept": set(), "dropping": set(), "dropped": set()}
    unfiled = 0
    for seed in range(first, first + ROUNDS // 2):
        for kind, key, *said in killed_in_the_middle(path, seed)[1:]:
            if kind == "call":
                told[key] = int(said[0]), said[1]
            else:
                facts[kind].add(key)
        unfiled += rows(path, "SELECT count(*) FROM journal")[0][0]
    assert len(told) > 100
    assert unfiled > 0, "some of it was in the journal only"

    clock.jump(time.time() - clock.wall() / 1000)
    order = ["ringing", "accepted", "ended"]
    async with opened(path, clock) as back:
        kept = back.facts.former("kind")
        for id_, (version, state) in told.items():
            call = await back.find(id_)
            assert call is not None, f"{id_} was told to be {state}"
            # More may have been written than the process came to say.
            assert order.index(call.state) >= order.index(state), f"{id_} was told to be {state}"
            assert call.version >= version
            steps = [step for step in await back.timeline(id_) if step != "taken up"]
            assert steps == order[: order.index(call.state) + 1], "each step once, in their order"
            if call.ended is None:
                user = UserId(f"a{id_}")
                assert (await back.view(None, user)).live[user].id == id_
        assert len(facts["dropped"]) > 20
        assert facts["kept"] - facts["dropping"] <= kept.keys()
        assert not facts["dropped"] & kept.keys()
