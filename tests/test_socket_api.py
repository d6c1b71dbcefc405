"""Every event and every ack of contract sections 2 and 3, over a real port."""

import time

import pytest

from .in_process import InProcess, initiate, new_call_id, pair, ring, talk


async def test_a_whole_call(server: InProcess) -> None:
    caller, receiver, call = await pair(server)

    ack = await caller.ask("call:initiate", initiate("2", call, callType="AUDIO"))
    incoming = await receiver.expect("call:incoming")
    assert ack == {
        "success": True,
        "callId": call,
        "message": "Call initiated successfully",
        "state": "ringing",
        "expiresAt": incoming["expiresAt"],
    }
    assert incoming == {
        "callId": call,
        "callerId": "USR_1",
        "callerName": "User USR_1",
        "callType": "AUDIO",
        "channelName": f"channel of {call}",
        "agoraToken": "006agora",
        "timestamp": incoming["timestamp"],
        "expiresAt": incoming["timestamp"] + 30_000,
    }

    assert await receiver.ask("call:ringing", {"callId": call}) == {"success": True, "callId": call, "state": "ringing"}
    assert (await caller.expect("call:ringing"))["callId"] == call

    assert await receiver.ask("call:accept", {"callId": call}) == {"success": True, "callId": call, "state": "accepted"}
    accepted = await caller.expect("call:accepted")
    assert (accepted["callId"], accepted["receiverId"]) == (call, "USR_2")

    assert (await caller.ask("call:end", {"callId": call}))["state"] == "ended"
    ended = await receiver.expect("call:ended")
    assert ended == {
        "callId": call,
        "reason": "Remote user ended call",
        "timestamp": ended["timestamp"],
        "code": "completed",
        "endedBy": "USR_1",
        "durationMs": ended["durationMs"],
    }
    await caller.quiet()
    await receiver.quiet()


async def test_reject_tells_the_caller_with_the_receivers_words(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)

    ack = await receiver.ask("call:reject", {"callId": call, "reason": "x" * 300})
    assert (ack["success"], ack["callId"], ack["state"]) == (True, call, "ended")
    assert await receiver.expect("call:reject:confirmed") == {"callId": call}
    rejected = await caller.expect("call:rejected")
    assert (rejected["callId"], rejected["reason"], rejected["code"]) == (call, "x" * 200, "declined")

    again = await receiver.ask("call:reject", {"callId": call})
    assert (again["success"], again["duplicate"], again["state"], again["code"]) == (True, True, "ended", "declined")
    await receiver.expect("call:reject:confirmed")
    await caller.quiet()
    await receiver.quiet()


async def test_reject_without_a_reason(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)
    await receiver.ask("call:reject", {"callId": call})
    assert (await caller.expect("call:rejected"))["reason"] == "User declined"


@pytest.mark.parametrize("event", ["call:cancel", "call:end"])
async def test_the_caller_cancels_a_ringing_call(server: InProcess, event: str) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)

    ack = await caller.ask(event, {"callId": call})
    assert (ack["success"], ack["callId"], ack["state"]) == (True, call, "ended")
    cancelled = await receiver.expect("call:cancelled")
    ended = await receiver.expect("call:ended")
    assert cancelled["callId"] == ended["callId"] == call
    assert cancelled["code"] == ended["code"] == "cancelled"
    assert cancelled["reason"] == ended["reason"] == "Caller ended call"
    assert ended["endedBy"] == "USR_1"
    assert "durationMs" not in ended
    await caller.quiet()
    await receiver.quiet()


async def test_cancel_passes_the_callers_words_on(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)
    await caller.ask("call:cancel", {"callId": call, "reason": "wrong number"})
    assert (await receiver.expect("call:cancelled"))["reason"] == "wrong number"


async def test_nobody_answers(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)

    server.pass_time(29)
    await caller.quiet()
    server.pass_time(1.1)
    timeout = await caller.expect("call:timeout")
    assert (timeout["callId"], timeout["reason"], timeout["code"]) == (call, "No answer", "no_answer")
    cancelled = await receiver.expect("call:cancelled")
    assert (cancelled["reason"], cancelled["code"]) == ("Timeout", "no_answer")
    assert "endedBy" not in await receiver.expect("call:ended")
    await caller.quiet()
    await receiver.quiet()


async def test_the_receiver_is_offline(server: InProcess) -> None:
    caller, call = await server.phone("USR_1"), new_call_id()
    ack = await caller.ask("call:initiate", initiate("USR_2", call))
    assert ack == {
        "success": False,
        "error": "User offline - FCM notification sent",
        "useFcmFallback": True,
        "callId": call,
        "state": "ringing",
        "expiresAt": ack["expiresAt"],
    }
    again = await caller.ask("call:initiate", initiate("USR_2", call))
    assert again == {**ack, "duplicate": True}

    receiver = await server.phone("USR_2")
    assert (await receiver.expect("call:incoming"))["callId"] == call
    assert (await receiver.ask("call:accept", {"callId": call}))["success"]
    assert (await caller.expect("call:accepted"))["callId"] == call


async def test_two_who_dial_each_other(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    other_call = new_call_id()
    await ring(caller, receiver, "USR_2", call)

    ack = await receiver.ask("call:initiate", initiate("USR_1", other_call))
    assert (ack["success"], ack["busy"], ack["code"], ack["winnerCallId"]) == (False, True, "glare", call)
    assert await receiver.expect("call:busy") == {"callId": other_call}
    assert (await receiver.ask("call:accept", {"callId": call}))["state"] == "accepted"
    await caller.expect("call:accepted")


async def test_initiate_again_says_how_it_stands(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)
    ringing = await caller.ask("call:initiate", initiate("USR_2", call))
    assert (ringing["success"], ringing["state"], ringing["duplicate"]) == (True, "ringing", True)
    assert "expiresAt" in ringing
    assert "message" in ringing

    await receiver.ask("call:reject", {"callId": call})
    await caller.expect("call:rejected")
    ended = await caller.ask("call:initiate", initiate("USR_2", call))
    assert (ended["success"], ended["state"], ended["duplicate"], ended["code"]) == (True, "ended", True, "declined")
    assert "expiresAt" not in ended
    await receiver.expect("call:reject:confirmed")
    await receiver.quiet()


@pytest.mark.parametrize("event", ["call:upgrade", "call:switchToVideo", "call:switch_to_video"])
async def test_audio_becomes_video(server: InProcess, event: str) -> None:
    caller, receiver, call = await pair(server)
    await talk(caller, receiver, "USR_2", call)

    ids = {"receiverId": "USR_99", "senderId": None, "timestamp": "now"}
    ack = await receiver.ask(event, {"callId": call, **ids})
    assert ack == {"success": True, "callId": call, "state": "accepted"}
    request = await caller.expect("call:upgrade:request")
    assert (request["callId"], request["senderId"]) == (call, "USR_2")
    assert (await receiver.ask(event, {"callId": call}))["duplicate"] is True

    assert (await caller.ask("call:upgrade:response", {"callId": call, "accepted": True}))["success"]
    response = await receiver.expect("call:upgrade:response")
    assert (response["callId"], response["accepted"]) == (call, True)
    assert "reason" not in response
    assert (await caller.ask("call:sync", {}))["calls"][0]["callType"] == "video"
    assert (await caller.ask(event, {"callId": call}))["duplicate"] is True
    await receiver.quiet()


async def test_video_is_refused(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await talk(caller, receiver, "USR_2", call)
    await caller.ask("call:upgrade", {"callId": call})
    await receiver.expect("call:upgrade:request")
    answer = {"callId": call, "accepted": False, "reason": "not dressed"}
    assert (await receiver.ask("call:upgrade:response", answer))["success"]
    response = await caller.expect("call:upgrade:response")
    assert (response["accepted"], response["reason"]) == (False, "not dressed")
    late = await receiver.ask("call:upgrade:response", answer)
    assert (late["success"], late["code"], late["state"]) == (False, "conflict", "accepted")


async def test_sync_lists_the_live_call_and_the_recent_ones(server: InProcess) -> None:
    caller, receiver, first = await pair(server)
    second = new_call_id().removeprefix("CALL_")
    await ring(caller, receiver, "USR_2", first)
    await receiver.ask("call:reject", {"callId": first})
    await receiver.expect("call:reject:confirmed")
    await ring(caller, receiver, "USR_2", second)

    ack = await receiver.ask("call:sync", {})
    live, ended = ack["calls"]
    assert live == {
        "callId": second,
        "role": "receiver",
        "peerId": "USR_1",
        "callType": "audio",
        "state": "ringing",
        "timestamp": live["timestamp"],
        "expiresAt": live["timestamp"] + 30_000,
    }
    assert (ended["callId"], ended["state"], ended["code"]) == (first, "ended", "declined")
    assert "expiresAt" not in ended
    assert abs(ack["serverTime"] - time.time() * 1000) < 60_000
    assert [call["role"] for call in (await caller.ask("call:sync", {}))["calls"]] == ["caller", "caller"]


async def test_sync_names_twenty_calls_at_the_most(server: InProcess) -> None:
    caller = await server.phone("USR_1")
    for _ in range(22):
        call = new_call_id()
        await caller.ask("call:initiate", initiate("USR_2", call))
        await caller.ask("call:cancel", {"callId": call})
    assert len((await caller.ask("call:sync", {}))["calls"]) == 20


async def test_everybody_is_answered_in_the_form_he_wrote(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    bare = call.removeprefix("CALL_")
    await ring(caller, receiver, "USR_2", call)
    assert (await receiver.ask("call:ringing", {"callId": bare}))["callId"] == bare
    assert (await caller.expect("call:ringing"))["callId"] == call
    await caller.ask("call:cancel", {"callId": call})
    assert (await receiver.expect("call:cancelled"))["callId"] == bare


async def test_the_receivers_spelling_is_the_backends_once_he_was_seen(server: InProcess) -> None:
    caller = await server.phone("USR_1")
    await caller.ask("call:initiate", initiate("USR_USR_2", new_call_id()))
    unseen = (await caller.ask("call:sync", {}))["calls"][0]
    assert unseen["peerId"] == "USR_USR_2"
    receiver = await server.phone("USR_2")
    await receiver.expect("call:incoming")
    call = new_call_id()
    await caller.ask("call:initiate", initiate("2", call))
    assert (await caller.ask("call:sync", {}))["calls"][0]["peerId"] == "USR_2"
