"""The backend's word, `/api/emit/*` (contract section 4)."""

from typing import Any

import pytest

from .in_process import InProcess, initiate, new_call_id, ring, talk

ACCEPTED, CANCELLED, REJECTED, ENDED = (
    f"/api/emit/call-{word}" for word in ("accepted", "cancelled", "rejected", "ended")
)


def body(call: str, **fields: object) -> dict[str, object]:
    """Returns a body that names both parties, 1 and 2."""
    return {"callerId": "1", "receiverId": "USR_2", "callId": call, **fields}


async def test_accepted_leaves_the_winner_open_and_stops_no_phone(server: InProcess) -> None:
    caller, receiver, tablet = await server.phone("1"), await server.phone("2"), await server.phone("2", "tablet")
    call = new_call_id()
    await ring(caller, receiver, "2", call)
    await tablet.expect("call:incoming")

    status, answer = await server.post(ACCEPTED, body(call))
    assert (status, answer["success"], answer["emitted"]) == (200, True, True)
    assert (await caller.expect("call:accepted"))["callId"] == call
    server.pass_time(31)
    await caller.quiet()
    await receiver.quiet()
    await tablet.quiet()

    ack = await receiver.ask("call:accept", {"callId": call})
    assert (ack["success"], ack["duplicate"], ack["state"]) == (True, True, "accepted")
    assert (await tablet.expect("call:cancelled"))["code"] == "answered_elsewhere"
    assert (await tablet.expect("call:ended"))["reason"] == "Answered on another device"
    _, again = await server.post(ACCEPTED, body(call))
    assert (again["success"], again["emitted"], again["duplicate"]) == (True, False, True)
    await caller.quiet()


async def test_accepted_by_a_device_names_the_winner(server: InProcess) -> None:
    caller, receiver, tablet = await server.phone("1"), await server.phone("2"), await server.phone("2", "tablet")
    call = new_call_id()
    await ring(caller, receiver, "2", call)
    await tablet.expect("call:incoming")
    await server.post(ACCEPTED, body(call, deviceId="tablet"))
    await caller.expect("call:accepted")
    await receiver.expect("call:cancelled")
    await receiver.expect("call:ended")
    late = await receiver.ask("call:accept", {"callId": call})
    assert (late["success"], late["code"]) == (False, "answered_elsewhere")
    await tablet.quiet()


async def test_accepted_while_the_caller_is_away(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    await server.post("/api/users/1/disconnect")
    _, answer = await server.post(ACCEPTED, body(call))
    assert (answer["success"], answer["emitted"], answer["reason"]) == (True, False, "Caller not connected")
    back = await server.phone("1")
    assert (await back.expect("call:accepted"))["callId"] == call


async def test_accepted_after_the_end(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    await caller.ask("call:cancel", {"callId": call})
    await receiver.expect("call:cancelled")
    await receiver.expect("call:ended")
    assert await server.post(ACCEPTED, body(call)) == (
        200,
        {
            "success": True,
            "emitted": False,
            "reason": "Call already ended",
            "state": "ended",
            "code": "cancelled",
        },
    )
    assert (await receiver.expect("call:ended"))["code"] == "cancelled"
    await caller.quiet()


async def test_cancelled_stops_the_ring(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    _, answer = await server.post(CANCELLED, {"receiverId": 2, "callId": call, "reason": None})
    assert (answer["success"], answer["emitted"]) == (True, True)
    assert (await receiver.expect("call:cancelled"))["code"] == "cancelled"
    await receiver.expect("call:ended")
    _, again = await server.post(CANCELLED, {"receiverId": "2", "callId": call})
    assert (again["emitted"], again["duplicate"]) == (False, True)
    await receiver.quiet()


async def test_rejected_reaches_the_caller(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    _, answer = await server.post(REJECTED, body(call, reason="busy cooking"))
    assert (answer["success"], answer["emitted"]) == (True, True)
    rejected = await caller.expect("call:rejected")
    assert (rejected["callId"], rejected["reason"], rejected["code"]) == (call, "busy cooking", "declined")
    assert (await receiver.expect("call:cancelled"))["code"] == "declined_elsewhere"
    await receiver.expect("call:ended")


@pytest.mark.parametrize("path", [CANCELLED, REJECTED, ENDED])
async def test_an_accepted_call_is_hung_up_for_both(server: InProcess, path: str) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await talk(caller, receiver, "2", call)
    _, answer = await server.post(path, body(call, endedBy="2") if path == ENDED else body(call))
    assert (answer["success"], answer["emitted"]) == (True, True)
    for phone in (caller, receiver):
        ended = await phone.expect("call:ended")
        assert (ended["code"], ended["callId"]) == ("completed", call)
        assert ended.get("endedBy") == ("2" if path == ENDED else None)
        assert "durationMs" in ended
        await phone.quiet()


@pytest.mark.parametrize("path", [ACCEPTED, CANCELLED, REJECTED, ENDED])
async def test_other_parties_than_the_calls_own(server: InProcess, path: str) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await ring(caller, receiver, "2", call)
    for wrong in ({"receiverId": "3"}, {"callerId": "3"}, {"callerId": "2", "receiverId": "1"}):
        status, answer = await server.post(path, {**body(call), **wrong})
        assert (status, answer["error"]) == (409, "Parties do not match")
    await caller.quiet()
    await receiver.quiet()
    assert (await server.get(f"/api/calls/{call}"))[1]["state"] == "ringing"


@pytest.mark.parametrize(
    ("path", "events"),
    [(CANCELLED, ["call:cancelled", "call:ended"]), (REJECTED, ["call:rejected"]), (ENDED, ["call:ended"])],
)
async def test_an_unknown_call_is_told_all_the_same_and_met_by_its_initiate(
    server: InProcess, path: str, events: list[str]
) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    _, answer = await server.post(path, body(call))
    assert (answer["success"], answer["emitted"]) == (True, True)
    told = caller if path == REJECTED else receiver
    for event in events:
        assert (await told.expect(event))["callId"] in (call, call.removeprefix("CALL_"))
    _, again = await server.post(path, body(call))
    assert (again["emitted"], again["duplicate"]) == (False, True)
    if path == ENDED:
        await caller.expect("call:ended")

    assert (await receiver.ask("call:accept", {"callId": call}))["code"] == "not_found"
    assert (await server.get(f"/api/calls/{call}"))[0] == 404
    ack = await caller.ask("call:initiate", initiate("2", call))
    assert (ack["success"], ack["state"]) == (True, "ended")
    await caller.expect("call:rejected" if path == REJECTED else "call:ended")
    await receiver.quiet()


@pytest.mark.parametrize("path", [CANCELLED, REJECTED, ENDED])
async def test_an_unknown_call_and_nobody_there(server: InProcess, path: str) -> None:
    _, answer = await server.post(path, body(new_call_id()))
    assert (answer["success"], answer["emitted"], answer["reason"]) == (True, False, "User not connected")


async def test_an_unknown_call_that_was_accepted_is_live(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    third = await server.phone("3")
    _, answer = await server.post(ACCEPTED, body(call))
    assert (answer["success"], answer["emitted"]) == (True, True)
    assert (await caller.expect("call:accepted"))["receiverId"] == "2"
    assert (await third.ask("call:initiate", initiate("2", new_call_id())))["code"] == "busy"
    assert (await receiver.ask("call:accept", {"callId": call}))["duplicate"] is True


GOOD: dict[str, dict[str, Any]] = {
    ACCEPTED: {"callerId": "1", "receiverId": "2", "callId": "7", "deviceId": "d"},
    CANCELLED: {"callerId": "1", "receiverId": "2", "callId": "7", "reason": "r"},
    REJECTED: {"callerId": "1", "receiverId": "2", "callId": "7", "reason": "r"},
    ENDED: {"callerId": "1", "receiverId": "2", "callId": "7", "reason": "r", "endedBy": "1"},
}
OPTIONAL = {
    ACCEPTED: {"deviceId"},
    CANCELLED: {"callerId", "reason"},
    REJECTED: {"reason"},
    ENDED: {"reason", "endedBy"},
}


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in GOOD.items() for field in fields])
async def test_bad_bodies(server: InProcess, path: str, field: str) -> None:
    optional = field in OPTIONAL[path]
    wrong: list[object] = [True, 1.5, [], {}, ["7"], 10**200]
    if field != "reason":
        wrong.append("x" * 129)
    if field not in ("reason", "deviceId"):
        wrong += ["", "a\nb"]
    if not optional:
        wrong.append(None)
        status, answer = await server.post(path, {name: GOOD[path][name] for name in GOOD[path] if name != field})
        assert (status, set(answer)) == (422, {"error"})
    for value in wrong:
        status, answer = await server.post(path, {**GOOD[path], field: value})
        assert (status, set(answer)) == (422, {"error"}), value


@pytest.mark.parametrize("path", list(GOOD))
async def test_bodies_that_are_no_object(server: InProcess, path: str) -> None:
    for text in (
        b'{"receiverId":"2","callerId":"1","callId":' + b"9" * 5000 + b"}",
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"callId":NaN}',
    ):
        status, answer = await server.post(path, text)
        assert (status, set(answer)) == (422, {"error"}), text
