"""The call story through every library on every transport, with and without ack callbacks."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Dial, Lane
from .contract import SYNCED_CALL, check_fields
from .phones import Phone
from .server_process import Server

pytestmark = pytest.mark.interop

Make = Callable[[], str]
with_and_without_acks = pytest.mark.parametrize("acks", [True, False], ids=["acks", "no-acks"])


def initiate(caller: Phone, receiver: str, call: str, call_type: str = "audio") -> dict[str, Any] | None:
    """Dials; returns the ack, if this phone asks for any."""
    payload = {
        "receiverId": receiver,
        "callId": call,
        "callType": call_type,
        "channelName": f"channel of {call}",
        "agoraToken": "006agora",
        "timestamp": int(time.time() * 1000),
    }
    if caller.acks:
        return caller.ask("call:initiate", payload)
    caller.tell("call:initiate", payload)
    return None


def ring(caller: Phone, receiver: Phone, receiver_id: str, call: str, call_type: str = "audio") -> dict[str, Any]:
    """Dials a receiver who is there; returns the `call:incoming` of his phone."""
    answer = initiate(caller, receiver_id, call, call_type)
    if answer is not None:
        assert answer["success"], answer
        assert answer["callId"] == call
        assert answer["message"] == "Call initiated successfully"
        assert answer["state"] == "ringing"
        assert answer["expiresAt"] > time.time() * 1000
        assert "useFcmFallback" not in answer
    incoming = receiver.expect("call:incoming")
    assert incoming["callId"] == call
    return incoming


@with_and_without_acks
def test_a_call_is_dialled_shown_accepted_turned_into_video_and_hung_up(
    acks: bool, lane: Lane, dial: Dial, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial(alice, acks=acks), dial(bob, acks=acks)

    incoming = ring(caller, receiver, bob, call, "AUDIO")
    assert incoming["callerId"] == alice
    assert incoming["callerName"]
    assert incoming["callType"] == "AUDIO"
    assert incoming["channelName"] == f"channel of {call}"
    assert incoming["agoraToken"] == "006agora"
    assert incoming["expiresAt"] > incoming["timestamp"]
    assert not {"agoraAppId", "balanceTime", "resumed"} & set(incoming)

    receiver.do("call:ringing", call, "ringing")
    assert caller.expect("call:ringing")["callId"] == call
    assert caller.last_via == ("polling" if lane.transports == "polling" else "websocket")

    receiver.do("call:accept", call, "accepted")
    accepted = caller.expect("call:accepted")
    assert (accepted["callId"], accepted["receiverId"]) == (call, bob)

    caller.do("call:upgrade", call, "accepted", receiverId=bob)
    request = receiver.expect("call:upgrade:request")
    assert (request["callId"], request["senderId"]) == (call, alice)
    receiver.do("call:upgrade:response", call, "accepted", accepted=True)
    response = caller.expect("call:upgrade:response")
    assert (response["callId"], response["accepted"]) == (call, True)

    receiver.do("call:end", call, "ended")
    ended = caller.expect("call:ended")
    assert (ended["callId"], ended["code"], ended["reason"]) == (call, "completed", "Remote user ended call")
    assert ended["endedBy"] == bob
    caller.quiet()
    receiver.quiet()


@with_and_without_acks
def test_a_call_is_declined_with_the_receivers_words(acks: bool, dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial(alice, acks=acks), dial(bob, acks=acks)
    ring(caller, receiver, bob, call)

    receiver.do("call:reject", call, "ended", reason="Not now \N{GRINNING FACE}")
    assert receiver.expect("call:reject:confirmed")["callId"] == call
    rejected = caller.expect("call:rejected")
    assert (rejected["callId"], rejected["code"]) == (call, "declined")
    assert rejected["reason"] == "Not now \N{GRINNING FACE}"
    caller.quiet()
    receiver.quiet()


@with_and_without_acks
def test_a_ringing_call_is_cancelled(acks: bool, dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial(alice, acks=acks), dial(bob, acks=acks)
    ring(caller, receiver, bob, call)

    caller.do("call:cancel", call, "ended")
    for event in ("call:cancelled", "call:ended"):
        told = receiver.expect(event)
        assert (told["callId"], told["code"], told["reason"]) == (call, "cancelled", "Caller ended call")
    caller.quiet()
    receiver.quiet()


@with_and_without_acks
def test_a_ring_nobody_answers_ends_by_itself(
    acks: bool, dial: Dial, impatient_server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial(alice, at=impatient_server, acks=acks), dial(bob, at=impatient_server, acks=acks)
    ring(caller, receiver, bob, call)

    timeout = caller.expect("call:timeout")
    assert (timeout["callId"], timeout["code"], timeout["reason"]) == (call, "no_answer", "No answer")
    for event in ("call:cancelled", "call:ended"):
        told = receiver.expect(event)
        assert (told["callId"], told["code"], told["reason"]) == (call, "no_answer", "Timeout")
    caller.quiet()
    receiver.quiet()


@with_and_without_acks
def test_a_third_caller_is_told_that_the_receiver_is_busy(acks: bool, dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, carol, first, second = user(), user(), user(), call_id(), call_id()
    caller, receiver, third = dial(alice, acks=acks), dial(bob, acks=acks), dial(carol, acks=acks)
    ring(caller, receiver, bob, first)

    answer = initiate(third, bob, second)
    if answer is not None:
        assert (answer["success"], answer["busy"], answer["error"]) == (False, True, "User is busy")
        assert (answer["callId"], answer["code"]) == (second, "busy")
    assert third.expect("call:busy")["callId"] == second
    third.quiet()
    receiver.quiet()

    caller.do("call:cancel", first, "ended")
    receiver.expect("call:cancelled")
    receiver.expect("call:ended")


def test_a_receiver_who_is_away_is_rung_by_push_and_when_he_comes(dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller = dial(alice)

    answer = initiate(caller, bob, call)
    assert answer is not None
    assert answer["success"] is False
    assert answer["useFcmFallback"] is True
    assert answer["error"] == "User offline - FCM notification sent"
    assert (answer["callId"], answer["state"]) == (call, "ringing")
    assert answer["expiresAt"] > time.time() * 1000

    receiver = dial(bob)
    incoming = receiver.expect("call:incoming")
    assert (incoming["callId"], incoming["callerId"]) == (call, alice)
    assert "resumed" not in incoming
    receiver.do("call:accept", call, "accepted")
    assert caller.expect("call:accepted")["callId"] == call
    caller.do("call:end", call, "ended")
    assert receiver.expect("call:ended")["endedBy"] == alice


def test_sync_tells_both_parties_where_the_call_stands(dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial(alice), dial(bob)
    ring(caller, receiver, bob, call, "video")

    def synced(phone: Phone) -> dict[str, Any]:
        answer = phone.ask("call:sync", {})
        assert answer["success"] is True
        assert abs(answer["serverTime"] - time.time() * 1000) < 60_000
        (entry,) = answer["calls"]
        return check_fields("an entry of call:sync", entry, SYNCED_CALL)

    entry = synced(caller)
    assert (entry["callId"], entry["role"], entry["peerId"]) == (call, "caller", bob)
    assert (entry["callType"], entry["state"]) == ("video", "ringing")
    assert "code" not in entry
    assert "expiresAt" in entry
    entry = synced(receiver)
    assert (entry["callId"], entry["role"], entry["peerId"]) == (call, "receiver", alice)

    receiver.do("call:reject", call, "ended")
    receiver.expect("call:reject:confirmed")
    caller.expect("call:rejected")
    for phone in (caller, receiver):
        entry = synced(phone)
        assert (entry["state"], entry["code"]) == ("ended", "declined")


def test_of_two_devices_the_one_that_does_not_answer_stops_ringing(dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, left, right = dial(alice), dial(bob, deviceId="left"), dial(bob, deviceId="right")
    ring(caller, left, bob, call)
    assert right.expect("call:incoming")["callId"] == call

    right.do("call:accept", call, "accepted")
    caller.expect("call:accepted")
    for event in ("call:cancelled", "call:ended"):
        told = left.expect(event)
        assert (told["code"], told["reason"]) == ("answered_elsewhere", "Answered on another device")
    answer = left.ask("call:accept", {"callId": call})
    assert (answer["success"], answer["code"]) == (False, "answered_elsewhere")

    caller.do("call:end", call, "ended")
    assert right.expect("call:ended")["code"] == "completed"


def test_an_ended_call_stays_ended(dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial(alice), dial(bob)
    ring(caller, receiver, bob, call)
    caller.do("call:cancel", call, "ended", reason="Wrong number")
    assert receiver.expect("call:cancelled")["reason"] == "Wrong number"
    assert receiver.expect("call:ended")["reason"] == "Wrong number"

    late = receiver.ask("call:accept", {"callId": call})
    assert (late["success"], late["code"], late["state"]) == (False, "cancelled", "ended")
    assert receiver.expect("call:ended")["code"] == "cancelled"
    again = caller.ask("call:end", {"callId": call})
    assert (again["success"], again["duplicate"], again["state"]) == (True, True, "ended")
    caller.quiet()
    receiver.quiet()


def test_commands_of_the_wrong_party_are_refused(dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, mallory, call = user(), user(), user(), call_id()
    caller, receiver, stranger = dial(alice), dial(bob), dial(mallory)
    ring(caller, receiver, bob, call)

    for phone, event in ((caller, "call:accept"), (caller, "call:reject"), (receiver, "call:cancel")):
        answer = phone.ask(event, {"callId": call})
        assert (answer["success"], answer["code"]) == (False, "forbidden"), event
        assert (answer["callId"], answer["state"]) == (call, "ringing"), event
    for event in ("call:accept", "call:reject", "call:cancel", "call:end", "call:ringing"):
        foreign = stranger.ask(event, {"callId": call})
        assert foreign == {
            "success": False,
            "error": "Call not found",
            "code": "not_found",
            "state": "unknown",
            "callId": call,
        }, event
    caller.quiet()
    receiver.quiet()
    caller.do("call:cancel", call, "ended")


@pytest.mark.parametrize("alias", ["call:switchToVideo", "call:switch_to_video"])
def test_the_old_names_of_the_video_request_still_work(alias: str, dial_once: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial_once(alice), dial_once(bob)
    ring(caller, receiver, bob, call)
    receiver.do("call:accept", call, "accepted")
    caller.expect("call:accepted")

    receiver.do(alias, call, "accepted", senderId=bob, receiverId=alice)
    assert caller.expect("call:upgrade:request")["senderId"] == bob
    caller.do("call:upgrade:response", call, "accepted", accepted=False, reason="Camera is broken")
    response = receiver.expect("call:upgrade:response")
    assert (response["accepted"], response["reason"]) == (False, "Camera is broken")
    caller.do("call:end", call, "ended")


def test_the_other_websocket_engine_carries_a_call_too(
    dial_once: Dial, plain_server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial_once(alice, at=plain_server), dial_once(bob, at=plain_server)
    ring(caller, receiver, bob, call)
    receiver.do("call:accept", call, "accepted")
    caller.expect("call:accepted")
    assert caller.last_via == "websocket"
    caller.do("call:end", call, "ended")
    assert receiver.expect("call:ended")["endedBy"] == alice


INITIATE = {
    "receiverId": "USR_1",
    "callId": "CALL_17",
    "callType": "audio",
    "channelName": "channel",
    "agoraToken": "",
}
NO_CALL_IDS: list[Any] = [None, 17, "", [], {}]
BAD_PAYLOADS: list[tuple[str, list[Any]]] = [
    ("call:initiate", []),
    ("call:initiate", ["text"]),
    ("call:initiate", [17]),
    ("call:initiate", [[INITIATE]]),
    ("call:initiate", [{}]),
    *(("call:initiate", [{k: v for k, v in INITIATE.items() if k != field}]) for field in INITIATE),
    *(("call:initiate", [{**INITIATE, field: None}]) for field in INITIATE),
    *(("call:initiate", [{**INITIATE, field: {"a": [1]}}]) for field in INITIATE),
    ("call:initiate", [{**INITIATE, "callId": "with space"}]),
    ("call:initiate", [{**INITIATE, "callId": "x" * 129}]),
    ("call:initiate", [{**INITIATE, "callType": "smell"}]),
    *((f"call:{name}", [{"callId": value}]) for name in ("accept", "end") for value in NO_CALL_IDS),
    ("call:reject", [{"callId": "CALL_17", "reason": {}}]),
    ("call:upgrade:response", [{"callId": "CALL_17"}]),
    ("call:upgrade:response", [{"callId": "CALL_17", "accepted": "yes"}]),
    ("presence:watch", [{"userIds": "USR_5"}]),
]


def test_bad_payloads_are_refused_in_words_and_the_socket_stays_open(dial_once: Dial, user: Make) -> None:
    phone = dial_once(user())
    for event, args in BAD_PAYLOADS:
        answer = phone.ask(event, *args)
        assert (answer["success"], answer["code"]) == (False, "invalid_payload"), (event, args, answer)
    for event, args in BAD_PAYLOADS[:10]:
        phone.tell(event, *args)
    phone.quiet()
