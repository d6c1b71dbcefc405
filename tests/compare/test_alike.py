"""One server compared with itself, and what a comparison leaves behind: nothing."""

import json
import signal
import time
import urllib.request

from tests.interop.server_process import SECRET

from .conftest import QUICK, Json, Run, between, stories


def test_a_server_is_like_itself(alike: list[Json]) -> None:
    outcomes = [{name: count for name, count in found["outcomes"].items() if count} for found in alike]
    assert outcomes == [{"same": len(found["stories"])} for found in alike]
    assert sum(len(found["stories"]) for found in alike) == 2 * len(QUICK)


# ---------------------------------------------------------------- what stays behind


def health(url: str) -> tuple[int, int]:
    with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
        told = json.load(answer)
    return told["connectedUsers"], told["activeCalls"]


def live_calls(url: str) -> list[str]:
    asked = urllib.request.Request(f"{url}/api/calls", headers={"X-Internal-Secret": SECRET})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return [call["callId"] for call in json.load(answer)["calls"] if call["state"] != "ended"]


def test_no_phone_and_no_call_is_left_behind(
    side_by_side: dict[str, Json], alike: list[Json], old: str, new: str
) -> None:
    assert (health(old), health(new), live_calls(new)) == ((0, 0), (0, 0), [])


def test_nothing_is_left_behind_by_an_interrupted_one(run: Run, new: str) -> None:
    running = run(*between(new, new), "--patience", "5", *stories(["accept", "busy-talking"]), users=7000)
    deadline = time.monotonic() + 60
    while not live_calls(new):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.process.send_signal(signal.SIGINT)
    assert running.end(130).count("\n") == 1
    assert (health(new), live_calls(new)) == ((0, 0), [])
