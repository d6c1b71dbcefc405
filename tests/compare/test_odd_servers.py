"""Servers that lie, crash or are slow: what is found then."""

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .conftest import Json, Run, between, stories
from .old_servers import old_server

LIES = {
    "drop call:accepted": {"accept"},
    "repeat call:ended": {"accept"},
    "reword call:rejected": {"reject"},
    "reword call:cancelled": {"cancel"},
}
"""What a server lies in, and which of these stories it spoils."""
TOLD = ["accept", "reject", "cancel"]


@pytest.fixture(scope="module")
def found(run: Run, old: str, new: str) -> Iterator[dict[str, Json]]:
    """What came out between the old server and liars, by lie, and of an old one that crashes."""
    with ExitStack() as servers:
        runs = {}
        for place, lie in enumerate(LIES):
            liar = servers.enter_context(old_server(LIE=lie))
            runs[lie] = run(*between(old, liar), "--patience", "0.5", *stories(TOLD), users=4000 + 10 * place)
        mortal = servers.enter_context(old_server())
        runs["crash"] = run(*between(mortal, new), "--risky", *stories(["health", "initiate-without"]), users=5000)
        yield {name: running.json(1 if name in LIES else 0) for name, running in runs.items()}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_is_found(lie: str, found: dict[str, Json]) -> None:
    outcomes = {story["name"]: story["outcome"] for story in found[lie]["stories"]}
    assert {name for name, outcome in outcomes.items() if outcome == "surprise"} == LIES[lie]
    assert set(outcomes.values()) == {"surprise", "same"}
    assert found[lie]["surprises"] == len(LIES[lie])


def test_a_crash_is_row_13_and_the_rest_is_left_out(found: dict[str, Json]) -> None:
    crash, after = found["crash"]["stories"][1:]
    lost = [one for one in crash["differences"] if one["kind"] == "removed"]
    assert {(one["old"]["event"], one["reason"]["row"]) for one in lost} == {("(connection lost)", 13)}
    assert (after["outcome"], after["leftOut"]) == ("left out", "the old server does not answer any more")


def test_a_slow_backend_shows_in_the_reject(run: Run, new: str) -> None:
    with old_server(LARAVEL_DELAY="300") as slow:
        both = ["--old", slow, "--new", new, "--per-minute", "0", "--patience", "0.5"]
        said = run(*both, "--rounds", "1", *stories(["reject"])).end(0)
    (rejected,) = re.findall(r"^until the caller knows of a reject +(\d+)\S* ms .*$", said, re.MULTILINE)
    assert int(rejected) >= 300
    assert "row 18: a socket reject waited for Laravel" in said
    assert "1 stories: 1 same, and the new server says more; nothing unexplained" in said


def test_a_server_that_goes_away_is_named_with_the_story(run: Run, new: str) -> None:
    with old_server() as mortal:
        running = run(*between(mortal, new), "--patience", "2", *stories(["accept", "reject"]))
        wait_for_a_call(mortal)
    said = running.end(3).splitlines()[-1]
    assert said.startswith("onlycare-socket: the old server: gone in the story reject: user 100 cannot connect to http")


def wait_for_a_call(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
            if json.load(answer)["activeCalls"]:
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_can_crash_the_old_server_is_played_only_if_asked(run: Run, old: str, new: str) -> None:
    (left_out,) = run(*between(old, new), *stories(["initiate-without-ack"])).json()["stories"]
    assert (left_out["outcome"], "--risky plays it" in left_out["leftOut"]) == ("left out", True)


def test_a_surprise_is_shown_and_said(run: Run, old: str) -> None:
    quickly = ["--per-minute", "0", "--rounds", "1", "--patience", "0.3"]
    with old_server(LIE="reword call:rejected") as liar:
        said = run("--old", old, "--new", liar, *quickly, *stories(["reject"])).end(1)
    assert "reject                       SURPRISE" in said
    assert "receiver: call:reject: nothing explains it" in said
    assert re.search(r"caller hears +call:rejected reason=User declined +call:rejected reason=Other words", said)
    assert "until the caller knows of a reject" in said
    assert said.splitlines()[-1] == "onlycare-socket: 1 stories hold a difference that nothing explains"
