"""What the old server got wrong: contract section 7, row by row, as far as one node in memory can show it.

Row 11 is shown for what a process can show of itself; that calls survive a restart is for stores that do.
"""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from onlycare_socket.adapters.laravel import LaravelAuthenticator, Patience
from onlycare_socket.calls.effects import Report

from .adapters.laravel_stand_in import Laravel, status, user
from .conftest import Start
from .in_process import SECRET, InProcess, Phone, initiate, new_call_id, ring, talk


async def leave(server: InProcess, phone: Phone) -> None:
    """Closes a phone and waits until the server has noticed."""
    before = server.application.sessions
    await phone.close()
    while server.application.sessions == before:
        await server.get("/health")


@pytest.mark.parametrize("channel", ["socket accept", "socket reject", "socket cancel", "backend accept"])
async def test_row_01_a_call_to_an_offline_receiver_is_registered(server: InProcess, channel: str) -> None:
    caller, call = await server.phone("1"), new_call_id()
    assert (await caller.ask("call:initiate", initiate("2", call)))["useFcmFallback"] is True
    assert (await server.get(f"/api/calls/{call}"))[1]["state"] == "ringing"
    if channel == "socket cancel":
        assert (await caller.ask("call:cancel", {"callId": call}))["success"]
        return
    if channel == "backend accept":
        body = {"callerId": "1", "receiverId": "2", "callId": call}
        assert (await server.post("/api/emit/call-accepted", body))[1]["emitted"] is True
        assert (await caller.expect("call:accepted"))["callId"] == call
        return
    receiver = await server.phone("2")
    await receiver.expect("call:incoming")
    event = f"call:{channel.split()[1]}"
    assert (await receiver.ask(event, {"callId": call}))["success"]
    await caller.expect("call:accepted" if event == "call:accept" else "call:rejected")


async def test_row_02_a_reject_by_rest_reaches_the_caller_at_once(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    body = {"callerId": "1", "receiverId": "2", "callId": call}
    assert (await server.post("/api/emit/call-rejected", body))[1] == {
        "success": True,
        "emitted": True,
        "state": "ended",
    }
    assert (await caller.expect("call:rejected"))["code"] == "declined"


@pytest.mark.parametrize("form", ["CALL_{}", "{}"])
async def test_row_03_a_reject_that_overtook_the_initiate_counts(server: InProcess, form: str) -> None:
    caller, receiver = await server.phone("1"), await server.phone("2")
    number = new_call_id().removeprefix("CALL_")
    early = await receiver.ask("call:reject", {"callId": form.format(number), "reason": "later"})
    assert (early["success"], early["code"], early["state"]) == (False, "not_found", "unknown")
    ack = await caller.ask("call:initiate", initiate("2", f"CALL_{number}"))
    assert (ack["success"], ack["state"]) == (True, "ended")
    rejected = await caller.expect("call:rejected")
    assert (rejected["reason"], rejected["code"]) == ("later", "declined")
    await receiver.quiet()


async def test_row_03_it_is_remembered_for_a_minute_only(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await receiver.ask("call:reject", {"callId": call})
    server.pass_time(61)
    await ring(caller, receiver, "2", call)


async def test_row_04_one_call_in_two_forms(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    bare = call.removeprefix("CALL_")
    assert (await receiver.ask("call:accept", {"callId": bare})) == {
        "success": True,
        "callId": bare,
        "state": "accepted",
    }
    assert (await caller.expect("call:accepted"))["callId"] == call
    assert (await caller.ask("call:end", {"callId": bare}))["success"]
    assert (await server.get("/api/calls"))[1]["count"] == 1


async def test_row_05_a_doubled_prefix_is_the_same_user(server: InProcess) -> None:
    caller, receiver = await server.phone("USR_1"), await server.open()
    assert await receiver.connect({"token": "dev:USR_5", "userId": "USR_USR_5"}) is None
    ack = await caller.ask("call:initiate", initiate("USR_USR_5", new_call_id()))
    assert ack["success"]
    await receiver.expect("call:incoming")


async def test_row_06_an_accept_by_rest_stops_the_ring_timer(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    await server.post("/api/emit/call-accepted", {"callerId": "1", "receiverId": "2", "callId": call})
    await caller.expect("call:accepted")
    server.pass_time(300)
    await caller.quiet()
    await receiver.quiet()
    assert (await server.get(f"/api/calls/{call}"))[1]["state"] == "accepted"


@pytest.mark.parametrize("talking", [False, True])
async def test_row_07_busy_looks_at_ringing_and_at_accepted_calls(server: InProcess, talking: bool) -> None:
    caller, receiver, third = await server.phone("1"), await server.phone("2"), await server.phone("3")
    await (talk if talking else ring)(caller, receiver, "2", new_call_id())
    for busy in ("1", "2"):
        assert (await third.ask("call:initiate", initiate(busy, new_call_id())))["code"] == "busy"
        await third.expect("call:busy")
    await caller.quiet()
    await receiver.quiet()


async def test_row_08_only_the_last_socket_of_a_user_matters(server: InProcess) -> None:
    caller, old, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await talk(caller, old, "2", call)
    new = await server.phone("2")
    await caller.expect_presence("user:online")
    await leave(server, old)
    assert (await server.get("/api/users/2/online"))[1]["isOnline"] is True
    server.pass_time(150)
    await caller.quiet()
    assert not caller.presence
    await caller.ask("call:end", {"callId": call})
    assert (await new.expect("call:ended"))["callId"] == call


async def test_row_09_a_blip_ends_no_healthy_call(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    await leave(server, caller)
    server.pass_time(14)
    caller = await server.phone("1")
    server.pass_time(5)
    await receiver.quiet()
    assert (await receiver.ask("call:accept", {"callId": call}))["success"]
    await caller.expect("call:accepted")

    await leave(server, receiver)
    server.pass_time(500)
    await caller.quiet()
    assert (await server.get(f"/api/calls/{call}"))[1]["state"] == "accepted"
    await leave(server, caller)
    server.pass_time(119)
    assert (await server.get(f"/api/calls/{call}"))[1]["state"] == "accepted"
    server.pass_time(2)
    _, ended = await server.get(f"/api/calls/{call}")
    assert (ended["state"], ended["code"]) == ("ended", "connection_lost")


async def test_row_10_the_receiver_stops_ringing_when_the_caller_has_vanished(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    await leave(server, caller)
    server.pass_time(14.5)
    await receiver.quiet()
    server.pass_time(1)
    cancelled = await receiver.expect("call:cancelled")
    assert (cancelled["code"], cancelled["reason"]) == ("connection_lost", "User disconnected")
    await receiver.expect("call:ended")


@pytest.mark.parametrize("ending", ["call:reject", "call:cancel", "ring timeout", "operator"])
async def test_row_11_nobody_stays_busy(server: InProcess, ending: str) -> None:
    caller, receiver, third = await server.phone("1"), await server.phone("2"), await server.phone("3")
    call = new_call_id()
    await ring(caller, receiver, "2", call)
    if ending == "ring timeout":
        server.pass_time(31)
    elif ending == "operator":
        await server.post(f"/api/calls/{call}/end")
    else:
        await (receiver if ending == "call:reject" else caller).ask(ending, {"callId": call})
    for free in ("1", "2"):
        attempt = new_call_id()
        assert (await third.ask("call:initiate", initiate(free, attempt)))["success"]
        await third.ask("call:cancel", {"callId": attempt})
    assert (await server.get("/health"))[1]["activeCalls"] == 0


async def test_row_12_nobody_touches_anybody_elses_call(server: InProcess) -> None:
    caller, receiver, stranger = await server.phone("1"), await server.phone("2"), await server.phone("3")
    call = new_call_id()
    await ring(caller, receiver, "2", call)
    for event in ("call:accept", "call:reject", "call:cancel", "call:end"):
        ack = await stranger.ask(event, {"callId": call, "userId": "2", "senderId": "1", "callerId": "1"})
        assert ack["code"] == "not_found"
    spoofed = initiate("2", new_call_id(), callerId="1", callerName="somebody else", senderId="1")
    assert (await stranger.ask("call:initiate", spoofed))["code"] == "busy"
    await caller.quiet()
    await receiver.quiet()
    await caller.ask("call:cancel", {"callId": call})
    await receiver.expect("call:cancelled")
    await receiver.expect("call:ended")
    await stranger.tell("call:initiate", {**spoofed, "callId": new_call_id()})
    await stranger.expect("call:busy")
    incoming = await receiver.expect("call:incoming")
    assert (incoming["callerId"], incoming["callerName"]) == ("3", "User 3")


EVENTS = [
    "call:initiate",
    "call:accept",
    "call:reject",
    "call:cancel",
    "call:end",
    "call:ringing",
    "call:upgrade",
    "call:upgrade:response",
    "call:sync",
    "presence:watch",
]


@pytest.mark.parametrize("event", EVENTS)
async def test_row_13_events_without_an_ack_are_survived(server: InProcess, event: str) -> None:
    phone = await server.phone("1")
    payloads: list[tuple[Any, ...]] = [(), (None,), ({},), ({"callId": None},), ({"callId": "17"},), ([],), (1, 2)]
    for payload in payloads:
        await phone.tell(event, *payload)
    await phone.quiet()


@pytest.mark.parametrize("first", ["accept", "cancel"])
async def test_row_14_accept_and_cancel_at_the_same_moment_have_one_winner(server: InProcess, first: str) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    if first == "accept":
        accepted = await receiver.ask("call:accept", {"callId": call})
        cancelled = await caller.ask("call:cancel", {"callId": call})
        assert (accepted["state"], cancelled["state"]) == ("accepted", "ended")
        await caller.expect("call:accepted")
        assert (await receiver.expect("call:ended"))["code"] == "completed"
    else:
        cancelled = await caller.ask("call:cancel", {"callId": call})
        accepted = await receiver.ask("call:accept", {"callId": call})
        assert (cancelled["success"], accepted["success"]) == (True, False)
        assert (accepted["code"], accepted["state"]) == ("cancelled", "ended")
        for event in ("call:cancelled", "call:ended", "call:ended"):
            assert (await receiver.expect(event))["code"] == "cancelled"
    await caller.quiet()
    await receiver.quiet()


async def test_row_15_an_ended_call_never_comes_back(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    await caller.ask("call:cancel", {"callId": call})
    await receiver.expect("call:cancelled")
    await receiver.expect("call:ended")
    late = await receiver.ask("call:accept", {"callId": call})
    assert (late["success"], late["code"], late["state"]) == (False, "cancelled", "ended")
    assert (await receiver.expect("call:ended"))["code"] == "cancelled"
    body = {"callerId": "1", "receiverId": "2", "callId": call}
    assert (await server.post("/api/emit/call-accepted", body))[1]["reason"] == "Call already ended"
    await receiver.expect("call:ended")
    assert (await caller.ask("call:initiate", initiate("2", call)))["state"] == "ended"
    await caller.quiet()
    await receiver.quiet()


class Reports:
    """A `Backend` that keeps what it is told, and then breaks."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def report(self, report: Report) -> None:
        self.told.append(report.kind.value)
        raise ConnectionError("the backend is away")


async def test_row_16_a_second_end_has_no_effect(start: Start, log_lines: list[MutableMapping[str, Any]]) -> None:
    backend = Reports()
    server = await start(backend=backend)
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await talk(caller, receiver, "2", call)
    await caller.ask("call:end", {"callId": call})
    await receiver.expect("call:ended")
    _, before = await server.get(f"/api/calls/{call}")
    server.clock.advance(30)
    for phone in (caller, receiver):
        ack = await phone.ask("call:end", {"callId": call})
        assert (ack["success"], ack["duplicate"], ack["code"]) == (True, True, "completed")
    body = {"callerId": "1", "receiverId": "2", "callId": call}
    assert (await server.post("/api/emit/call-ended", body))[1]["duplicate"] is True
    assert (await server.get(f"/api/calls/{call}"))[1] == before
    assert backend.told == ["accepted", "hung_up"]
    await caller.quiet()
    await receiver.quiet()
    log_lines.clear()


@pytest.fixture
async def stand_in() -> AsyncIterator[Laravel]:
    """A Laravel that listens."""
    stand_in = Laravel()
    await stand_in.start()
    yield stand_in
    await stand_in.stop()


async def laravel(start: Start, stand_in: Laravel) -> InProcess:
    """Starts a server that asks this backend, with less patience than a real one."""
    authenticator = LaravelAuthenticator(stand_in.url, patience=Patience(wait=0.3, pause=0.05, longest_pause=0.05))
    return await start(authenticator)


async def test_row_17_a_429_of_laravel_locks_nobody_out(start: Start, stand_in: Laravel) -> None:
    stand_in.users["1|token"] = user("5")
    stand_in.always = status(429)
    server = await laravel(start, stand_in)
    phone = await server.open()
    await phone.send('40{"token":"1|token","userId":"5"}')
    await phone.expect_gone()
    stand_in.always = stand_in.truthful
    assert await (await server.open()).connect({"token": "1|token", "userId": "5"}) is None


async def test_row_18_clients_first_backend_after(start: Start, log_lines: list[MutableMapping[str, Any]]) -> None:
    backend = Reports()
    server = await start(backend=backend)
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    assert (await receiver.ask("call:reject", {"callId": call}))["success"]
    await receiver.expect("call:reject:confirmed")
    await caller.expect("call:rejected")
    assert backend.told == ["declined"]
    log_lines.clear()


async def test_row_19_a_wrong_address_is_named_by_a_log_line_and_a_metric(
    start: Start, stand_in: Laravel, log_lines: list[MutableMapping[str, Any]]
) -> None:
    stand_in.check = status(404)
    server = await laravel(start, stand_in)
    async with asyncio.timeout(5):
        while not [line for line in log_lines if line["log_level"] == "error"]:
            await server.get("/health")
    (line,) = [line for line in log_lines if line["log_level"] == "error"]
    assert "LARAVEL_API_URL" in line["event"]
    async with server.http.get("/metrics", headers={"X-Internal-Secret": SECRET}) as response:
        assert "onlycare_auth_backend_up 0.0" in await response.text()


async def test_row_20_the_timeline_tells_what_happened_to_one_call(server: InProcess) -> None:
    caller, phone, tablet = await server.phone("1"), await server.phone("2"), await server.phone("2", "tablet")
    call = new_call_id()
    await ring(caller, phone, "2", call)
    await tablet.expect("call:incoming")
    await tablet.ask("call:ringing", {"callId": call})
    await server.post("/api/emit/call-rejected", {"callerId": "1", "receiverId": "2", "callId": call, "reason": "no"})
    _, timeline = await server.get(f"/api/calls/{call}/timeline")
    steps = [(step["what"], step.get("by"), step.get("device"), step.get("channel")) for step in timeline["steps"]]
    assert ("call:initiate", "1", "d:phone", "socket") in steps
    assert ("call:ringing", "2", "d:tablet", "socket") in steps
    assert any(what == "call-rejected" and channel == "backend" for what, _, _, channel in steps)
    told = {step["detail"]: sorted(step["told"]) for step in timeline["steps"] if "told" in step}
    assert told["call:incoming"] == ["d:phone", "d:tablet"]
    assert told["call:rejected"] == ["d:phone"]
    assert told["call:cancelled, call:ended"] == ["d:phone", "d:tablet"]
    assert timeline["summary"].startswith("1 called 2 (audio): declined after ")
