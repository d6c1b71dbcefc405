"""Refusals of contract section 2: busy, foreign, too late, too many, and faults of our own."""

import time
from collections.abc import MutableMapping
from typing import Any

import pytest

from .conftest import Start
from .in_process import InProcess, initiate, new_call_id, pair, ring


async def test_the_receiver_is_busy(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    third, second_call = await server.phone("USR_3"), new_call_id()
    await ring(caller, receiver, "USR_2", call)

    ack = await third.ask("call:initiate", initiate("USR_2", second_call))
    assert (ack["success"], ack["error"], ack["busy"], ack["code"]) == (False, "User is busy", True, "busy")
    assert ack["callId"] == second_call
    assert await third.expect("call:busy") == {"callId": second_call}

    assert await third.ask("call:initiate", initiate("USR_2", second_call)) == ack
    await third.quiet()
    await receiver.quiet()


async def test_busy_is_told_as_an_event_without_an_ack(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    third, second_call = await server.phone("USR_3"), new_call_id()
    await ring(caller, receiver, "USR_2", call)
    await third.tell("call:initiate", initiate("USR_2", second_call))
    assert await third.expect("call:busy") == {"callId": second_call}


async def test_a_call_of_others_looks_like_no_call(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    stranger = await server.phone("USR_3")
    await ring(caller, receiver, "USR_2", call)
    for event in ("call:accept", "call:reject", "call:cancel", "call:end", "call:ringing", "call:upgrade"):
        foreign = await stranger.ask(event, {"callId": call})
        unknown = await stranger.ask(event, {"callId": "nobody's"[:6]})
        assert foreign == {
            "success": False,
            "error": "Call not found",
            "code": "not_found",
            "state": "unknown",
            "callId": call,
        }
        assert {**unknown, "callId": call} == foreign
    taken = await stranger.ask("call:initiate", initiate("USR_2", call))
    assert (taken["success"], taken["code"]) == (False, "conflict")
    assert "state" not in taken
    await caller.quiet()
    await receiver.quiet()


async def test_the_wrong_role_is_told_the_state(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)
    for phone, event in ((caller, "call:accept"), (caller, "call:reject"), (receiver, "call:cancel")):
        ack = await phone.ask(event, {"callId": call})
        assert (ack["success"], ack["code"], ack["state"], ack["callId"]) == (False, "forbidden", "ringing", call)
    itself = await caller.ask("call:initiate", initiate("1", new_call_id()))
    assert (itself["success"], itself["code"]) == (False, "forbidden")


async def test_a_stale_initiate_tells_nobody(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    old = int(time.time()) - 50
    dated = await caller.ask("call:initiate", initiate("USR_2", f"CALL_{old}1234"))
    assert (dated["success"], dated["code"]) == (False, "stale")
    buffered = await caller.ask("call:initiate", initiate("USR_2", call, timestamp=old * 1000.0))
    assert (buffered["success"], buffered["code"]) == (False, "stale")
    ahead = await caller.ask("call:initiate", initiate("USR_2", f"CALL_{old + 150}1234"))
    assert (ahead["success"], ahead["code"]) == (False, "invalid_payload")
    await receiver.quiet()


async def test_an_old_timestamp_counts_only_right_after_the_connect(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    server.clock.advance(6)
    ack = await caller.ask("call:initiate", initiate("USR_2", call, timestamp=1))
    assert ack["success"]
    await receiver.expect("call:incoming")


async def test_budget_spares_the_events_that_end_calls(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)
    for _ in range(100):
        await receiver.tell("call:upgrade", {"callId": call})

    limited = await receiver.ask("call:accept", {"callId": call})
    assert limited == {
        "success": False,
        "error": "Too many requests",
        "code": "rate_limited",
        "callId": call,
        "state": "ringing",
    }
    assert (await receiver.ask("presence:watch", {"userIds": []}))["code"] == "rate_limited"
    assert (await receiver.ask("call:initiate", initiate("USR_3", new_call_id())))["code"] == "rate_limited"
    assert (await receiver.ask("call:ringing", {"callId": call}))["success"]
    assert (await receiver.ask("call:sync", {}))["success"]
    assert (await receiver.ask("call:reject", {"callId": call}))["success"]
    assert (await receiver.ask("call:end", {"callId": call}))["success"]
    await caller.expect("call:ringing")
    await caller.expect("call:rejected")

    server.clock.advance(66)
    assert (await receiver.ask("presence:watch", {"userIds": []}))["success"]


async def test_no_budget(start: Start) -> None:
    server = await start(rate_limit=0)
    phone = await server.phone("USR_1")
    for _ in range(150):
        await phone.tell("call:upgrade", {"callId": "1"})
    assert (await phone.ask("call:accept", {"callId": "1"}))["code"] == "not_found"


async def test_a_fault_of_ours_is_acked_and_logged_once(
    server: InProcess, monkeypatch: pytest.MonkeyPatch, log_lines: list[MutableMapping[str, Any]]
) -> None:
    phone = await server.phone("USR_1")
    monkeypatch.setattr(server.application.switchboard, "_store", None)
    ack = await phone.ask("call:accept", {"callId": "17"})
    assert ack == {"success": False, "error": "Internal error", "code": "internal", "callId": "17"}
    assert (await phone.ask("call:sync", {}))["success"]
    assert len([line for line in log_lines if line.get("exc_info")]) == 1
    log_lines.clear()


async def test_a_connection_may_send_so_many_packets(start: Start) -> None:
    server = await start(session_packets=5)
    phone = await server.phone("USR_1")
    for _ in range(5):
        await phone.tell("unheard of")
    await phone.expect_gone()


async def test_without_a_limit_on_packets_a_connection_may_send_any_number(start: Start) -> None:
    server = await start(session_packets=0, rate_limit=0)
    phone = await server.phone("USR_1")
    for _ in range(1_100):
        await phone.tell("unheard of")
    assert (await phone.ask("call:sync", {}))["success"]
