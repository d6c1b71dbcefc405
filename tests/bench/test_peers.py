"""The Node server with the same rules plays the contract's stories, so that the benchmark compares like with like."""

import pytest

from .peers import Dial, call_id, ringing, talking


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
    assert await one.hear_of("2") == "user:online"
    timeout = await one.hear("call:timeout")
    assert (timeout["code"], timeout["reason"]) == ("no_answer", "No answer")
    assert (await two.hear("call:cancelled"))["reason"] == "Timeout"
    assert (await two.hear("call:ended"))["code"] == "no_answer"


async def test_a_caller_who_vanishes(impatient_rules: str, connect: Dial) -> None:
    one, two, _ = await ringing(connect, impatient_rules, "42", "43")
    await one.close()
    assert (await two.hear("call:cancelled"))["code"] == "connection_lost"
    assert (await two.hear("call:ended"))["reason"] == "User disconnected"


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
