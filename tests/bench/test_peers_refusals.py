"""The Node server with the same rules refuses what the contract refuses: roles, payloads, budgets, strangers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from .peers import BENCH, Dial, Refused, call_id, get, ringing, running, status, talking


@pytest.mark.parametrize(
    ("event", "who", "code"),
    [
        ("call:accept", "caller", "forbidden"),
        ("call:reject", "caller", "forbidden"),
        ("call:ringing", "caller", "forbidden"),
        ("call:cancel", "receiver", "forbidden"),
        ("call:upgrade", "caller", "conflict"),
        ("call:end", "stranger", "not_found"),
    ],
)
async def test_the_wrong_role(rules: str, connect: Dial, event: str, who: str, code: str) -> None:
    one, two, call = await ringing(connect, rules, "24", "25")
    people = {"caller": one, "receiver": two, "stranger": await connect(rules, "26")}
    ack = await people[who].say(event, {"callId": call})
    state = "unknown" if who == "stranger" else "ringing"
    assert (ack["success"], ack["code"], ack["callId"], ack["state"]) == (False, code, call, state)
    for phone in people.values():
        await phone.hear_nothing()
    await one.say("call:cancel", {"callId": call})


GOOD = {"receiverId": "28", "callId": "c", "callType": "audio", "channelName": "ch", "agoraToken": ""}


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("call:initiate", None),
        ("call:initiate", "text"),
        ("call:initiate", [1]),
        *(("call:initiate", {**GOOD, field: None}) for field in GOOD),
        *(("call:initiate", {key: value for key, value in GOOD.items() if key != field}) for field in GOOD),
        ("call:initiate", {**GOOD, "callType": "smoke"}),
        ("call:initiate", {**GOOD, "callId": "no spaces"}),
        ("call:initiate", {**GOOD, "callId": "x" * 129}),
        ("call:initiate", {**GOOD, "receiverId": 28}),
        ("call:initiate", {**GOOD, "timestamp": "now"}),
        ("call:initiate", {**GOOD, "callId": "CALL_99999999990001"}),
        ("call:accept", {}),
        ("call:accept", {"callId": 7}),
        ("call:reject", {"callId": "c", "reason": 7}),
        ("call:upgrade:response", {"callId": "c", "accepted": "yes"}),
        ("presence:watch", {"userIds": [7]}),
        ("call:sync", []),
        ("call:nonsense", {}),
    ],
)
async def test_a_payload_that_does_not_fit(rules: str, connect: Dial, event: str, payload: Any) -> None:
    one = await connect(rules, "27")
    assert (await one.say(event, payload))["code"] == "invalid_payload"
    assert (await one.say("call:sync", {}))["success"], "the socket stays open"


async def test_a_payload_that_is_missing(rules: str, connect: Dial) -> None:
    one = await connect(rules, "29")
    assert (await one.say("call:accept"))["code"] == "invalid_payload"


async def test_calling_oneself_and_the_past(rules: str, connect: Dial) -> None:
    one = await connect(rules, "30")
    assert (await one.dial("USR_30", call_id()))["code"] == "forbidden"
    assert (await one.dial("31", "CALL_15000000000001"))["code"] == "stale"
    assert (await one.dial("31", call_id(), timestamp=1_500_000_000_000))["code"] == "stale"


async def test_the_budget_of_a_user(impatient_rules: str, connect: Dial) -> None:
    one = await connect(impatient_rules, "40")
    codes = [(await one.say("call:accept", {"callId": f"none-{number}"}))["code"] for number in range(11)]
    assert codes == ["not_found"] * 10 + ["rate_limited"]
    assert (await one.dial("41", call_id()))["code"] == "rate_limited"
    assert (await one.say("call:end", {"callId": "none-1"}))["code"] == "not_found", "an end is never refused by it"


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"token": None}, "Authentication required"),
        ({"userId": ""}, "Authentication required"),
        ({"token": 7}, "Authentication failed"),
        ({"token": "dev:51"}, "Invalid token"),
        ({"token": "50|secret"}, "Invalid token"),
    ],
)
async def test_who_is_refused(rules: str, connect: Dial, auth: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        await connect(rules, "50", **auth)


@pytest.fixture
def backend() -> Iterator[str]:
    command = [sys.executable, str(BENCH / "backend.py"), "--port", "0", "--delay-ms", "20"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        yield f"http://{process.stdout.readline().split()[-1]}"
        process.terminate()
        process.wait(10)


async def test_a_token_is_verified_at_the_backend_once(backend: str, connect: Dial) -> None:
    with running("rules.js", LARAVEL_API_URL=f"{backend}/api/v1", PRESENCE_SCOPE="off") as url:
        for device in ("phone", "tablet"):
            await connect(url, "USR_60", token="60|bench-secret", deviceId=device)
        assert json.loads(get(f"{backend}/count")) == {"count": 1, "by_status": {"200": 1}}
        with pytest.raises(Refused, match="Invalid token"):
            await connect(url, "61", token="60|bench-secret")
        with pytest.raises(Refused, match="Invalid token"):
            await connect(url, "61", token="malformed")
        assert json.loads(get(f"{url}/health"))["connectedUsers"] == 1


async def test_health_and_metrics(rules: str, connect: Dial) -> None:
    await talking(connect, rules, "70", "71")
    health = json.loads(get(f"{rules}/health"))
    assert health["status"] == "OK"
    assert health["connectedUsers"] >= 2
    assert health["activeCalls"] >= 1
    assert 'events_total{event="call:initiate",outcome="ok"}' in get(f"{rules}/metrics")
    assert status(f"{rules}/elsewhere") == 404
