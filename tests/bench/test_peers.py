"""The Node server with the same rules: the contract's stories, so that the benchmark compares like with like."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from .peers import BENCH, Dial, Phone, Refused, call_id, get, running, status


@pytest.fixture(scope="module")
def rules() -> Iterator[str]:
    with running("rules.js", PRESENCE_SCOPE="off", RATE_LIMIT="1000") as url:
        yield url


@pytest.fixture(scope="module")
def impatient_rules() -> Iterator[str]:
    """A ring lasts one second; ten events a minute; presence is told to everybody."""
    with running("rules.js", RING_TIMEOUT="1", RATE_LIMIT="10", PRESENCE_SCOPE="all") as url:
        yield url


@pytest.fixture
async def connect() -> AsyncIterator[Dial]:
    """Connects phones; all are gone when the test ends."""
    phones: list[Phone] = []

    async def connect(url: str, user: str, transport: str = "websocket", **auth: Any) -> Phone:
        phone = Phone(strict=True)
        phones.append(phone)
        await phone.connect(url, user, [transport], **auth)
        return phone

    yield connect
    for phone in phones:
        await phone.close()


async def ringing(connect: Dial, url: str, caller: str, receiver: str) -> tuple[Phone, Phone, str]:
    """Returns two phones and the call that rings between them."""
    one, two, call = await connect(url, caller), await connect(url, receiver), call_id()
    ack = await one.dial(receiver, call)
    assert (ack["success"], ack["state"], ack["message"]) == (True, "ringing", "Call initiated successfully")
    incoming = await two.hear("call:incoming")
    assert (incoming["callerId"], incoming["callerName"]) == (caller, f"User {caller}")
    assert incoming["expiresAt"] == ack["expiresAt"]
    return one, two, call


async def talking(connect: Dial, url: str, caller: str, receiver: str) -> tuple[Phone, Phone, str]:
    """Returns two phones and the call that they talk in."""
    one, two, call = await ringing(connect, url, caller, receiver)
    assert (await two.say("call:accept", {"callId": call}))["state"] == "accepted"
    assert (await one.hear("call:accepted"))["receiverId"] == receiver
    return one, two, call


# Stories ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_call_from_dial_to_hang_up(rules: str, connect: Dial, transport: str) -> None:
    one, two, call = await connect(rules, "1", transport), await connect(rules, "2", transport), call_id()
    assert (await one.dial("USR_2", call))["success"]
    await two.hear("call:incoming")
    assert await two.say("call:ringing", {"callId": call}) == {"success": True, "callId": call, "state": "ringing"}
    assert (await one.hear("call:ringing"))["callId"] == call
    assert (await two.say("call:accept", {"callId": f"CALL_{call}"}))["callId"] == f"CALL_{call}"
    assert (await one.hear("call:accepted"))["callId"] == call
    assert await one.say("call:end", {"callId": call}) == {"success": True, "callId": call, "state": "ended"}
    ended = await two.hear("call:ended")
    assert (ended["callId"], ended["code"], ended["endedBy"]) == (f"CALL_{call}", "completed", "1")
    assert ended["reason"] == "Remote user ended call"
    again = await two.say("call:end", {"callId": call})
    assert (again["duplicate"], again["code"]) == (True, "completed")
    await one.hear_nothing()
    await two.hear_nothing()


async def test_a_rejected_call(rules: str, connect: Dial) -> None:
    one, two, call = await ringing(connect, rules, "3", "4")
    assert (await two.say("call:reject", {"callId": call, "reason": "x" * 300}))["state"] == "ended"
    assert await two.hear("call:reject:confirmed") == {"callId": call}
    rejected = await one.hear("call:rejected")
    assert (rejected["code"], rejected["reason"]) == ("declined", "x" * 200)
    late = await two.say("call:accept", {"callId": call})
    assert (late["success"], late["code"], late["state"]) == (False, "declined", "ended")
    assert (await two.hear("call:ended"))["code"] == "declined"


async def test_a_cancelled_call(rules: str, connect: Dial) -> None:
    one, two, call = await ringing(connect, rules, "5", "6")
    assert (await one.say("call:cancel", {"callId": call}))["state"] == "ended"
    for event in ("call:cancelled", "call:ended"):
        heard = await two.hear(event)
        assert (heard["code"], heard["reason"]) == ("cancelled", "Caller ended call")


async def test_nobody_answers(impatient_rules: str, connect: Dial) -> None:
    one, two, _ = await ringing(connect, impatient_rules, "1", "2")
    await one.hear("user:online")
    timeout = await one.hear("call:timeout")
    assert (timeout["code"], timeout["reason"]) == ("no_answer", "No answer")
    assert (await two.hear("call:cancelled"))["reason"] == "Timeout"
    assert (await two.hear("call:ended"))["code"] == "no_answer"


async def test_a_receiver_who_is_busy(rules: str, connect: Dial) -> None:
    _, two, _ = await talking(connect, rules, "7", "8")
    third, call = await connect(rules, "9"), call_id()
    for _ in range(2):
        ack = await third.dial("8", call)
        assert (ack["success"], ack["busy"], ack["code"], ack["error"]) == (False, True, "busy", "User is busy")
    assert await third.hear("call:busy") == {"callId": call}
    await third.hear_nothing()
    await two.hear_nothing()


async def test_two_who_dial_each_other(rules: str, connect: Dial) -> None:
    one, two, call = await ringing(connect, rules, "10", "11")
    other = call_id()
    ack = await two.dial("10", other)
    assert (ack["code"], ack["winnerCallId"]) == ("glare", call)
    assert await two.hear("call:busy") == {"callId": other}
    assert (await two.say("call:accept", {"callId": call}))["success"]
    await one.hear("call:accepted")


async def test_dialling_again_from_the_same_phone(rules: str, connect: Dial) -> None:
    one, two, first = await ringing(connect, rules, "12", "13")
    second = call_id()
    assert (await one.dial("13", second))["success"]
    assert (await two.hear("call:cancelled"))["code"] == "superseded"
    assert (await two.hear("call:ended"))["callId"] == first
    assert (await two.hear("call:incoming"))["callId"] == second
    await one.hear_nothing()


async def test_dialling_the_same_call_twice_rings_once(rules: str, connect: Dial) -> None:
    one, two, call = await ringing(connect, rules, "14", "15")
    again = await one.dial("15", call)
    assert (again["success"], again["duplicate"], again["state"]) == (True, True, "ringing")
    await two.hear_nothing()


async def test_a_receiver_who_is_not_there_rings_when_he_comes(rules: str, connect: Dial) -> None:
    one, call = await connect(rules, "16"), call_id()
    ack = await one.dial("17", call)
    assert (ack["success"], ack["useFcmFallback"], ack["state"]) == (False, True, "ringing")
    two = await connect(rules, "17")
    assert (await two.hear("call:incoming"))["callId"] == call
    assert (await two.say("call:end", {"callId": call}))["state"] == "ended"
    assert (await one.hear("call:rejected"))["code"] == "declined"


async def test_the_first_device_wins_and_the_others_stop(rules: str, connect: Dial) -> None:
    one, two, call = await connect(rules, "18"), await connect(rules, "19"), call_id()
    tablet = await connect(rules, "19", deviceId="tablet")
    newer = await connect(rules, "19")
    await one.dial("19", call)
    for phone in (newer, tablet):
        await phone.hear("call:incoming")
    assert (await newer.say("call:accept", {"callId": call}))["success"]
    assert (await tablet.hear("call:cancelled"))["code"] == "answered_elsewhere"
    assert (await tablet.hear("call:ended"))["code"] == "answered_elsewhere"
    late = await tablet.say("call:accept", {"callId": call})
    assert (late["code"], late["state"]) == ("answered_elsewhere", "accepted")
    await two.hear_nothing()


async def test_audio_becomes_video(rules: str, connect: Dial) -> None:
    one, two, call = await talking(connect, rules, "20", "21")
    assert (await one.say("call:switchToVideo", {"callId": call}))["success"]
    assert (await two.hear("call:upgrade:request"))["senderId"] == "20"
    assert (await two.say("call:upgrade:response", {"callId": call, "accepted": True}))["success"]
    assert (await one.hear("call:upgrade:response"))["accepted"] is True
    assert (await one.say("call:upgrade", {"callId": call}))["duplicate"] is True
    rows = (await two.say("call:sync", {}))["calls"]
    assert [(row["callId"], row["role"], row["callType"]) for row in rows] == [(call, "receiver", "video")]


@pytest.mark.parametrize(
    ("early", "by", "told"),
    [
        ("call:reject", "23", "call:rejected"),
        ("call:cancel", "22", "call:ended"),
        ("call:accept", "23", "call:accepted"),
    ],
)
async def test_a_command_that_overtakes_its_initiate(rules: str, connect: Dial, early: str, by: str, told: str) -> None:
    one, two, call = await connect(rules, "22"), await connect(rules, "23"), call_id()
    unknown = await (one if by == "22" else two).say(early, {"callId": call})
    assert (unknown["code"], unknown["state"]) == ("not_found", "unknown")
    ack = await one.dial("23", call)
    assert (ack["success"], ack["state"]) == (True, "accepted" if early == "call:accept" else "ended")
    await one.hear(told)
    await two.hear_nothing()
    await one.say("call:end", {"callId": call})


# Refusals -----------------------------------------------------------------------------------------------------------


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


# Who comes in -------------------------------------------------------------------------------------------------------


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


# Pages --------------------------------------------------------------------------------------------------------------


async def test_health_and_metrics(rules: str, connect: Dial) -> None:
    await talking(connect, rules, "70", "71")
    health = json.loads(get(f"{rules}/health"))
    assert health["status"] == "OK"
    assert health["connectedUsers"] >= 2
    assert health["activeCalls"] >= 1
    assert 'events_total{event="call:initiate",outcome="ok"}' in get(f"{rules}/metrics")
    assert status(f"{rules}/elsewhere") == 404
