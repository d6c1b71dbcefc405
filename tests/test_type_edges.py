"""Values at the edge of their types, through a real socket: compiled code checks types where they come in.

A wrong type is refused by its form long before that (`test_bad_payloads.py`). Here are those of the right type that
few programs think of, and the ways round the short path of a packet.
"""

import json
from collections.abc import MutableMapping
from typing import Any, Final

import pytest

from .in_process import InProcess, initiate, new_call_id, ring

FAR_AHEAD: Final = [2**62, 2**63, 2**64, 10**30, 1e300, 2.5e18]
LONG_AGO: Final = [0, -0.0, 0.5, -1, -(2**62), -(2**63) - 1, -(10**30), -1e300]
DEEP: Final = 400
"""Levels that the JSON decoder still follows."""


@pytest.fixture(autouse=True)
def _nothing_logged(log_lines: list[MutableMapping[str, Any]]) -> Any:
    yield
    assert [line["event"] for line in log_lines if line["log_level"] != "info"] == []


@pytest.mark.parametrize("timestamp", FAR_AHEAD)
async def test_a_timestamp_far_ahead_rings(server: InProcess, timestamp: float) -> None:
    caller, receiver = await server.phone("USR_1"), await server.phone("USR_2")
    ack = await caller.ask("call:initiate", initiate("USR_2", new_call_id(), timestamp=timestamp))
    assert ack["success"], ack
    await receiver.expect("call:incoming")


@pytest.mark.parametrize("timestamp", LONG_AGO)
async def test_a_timestamp_long_ago_is_stale(server: InProcess, timestamp: float) -> None:
    caller, receiver = await server.phone("USR_1"), await server.phone("USR_2")
    ack = await caller.ask("call:initiate", initiate("USR_2", new_call_id(), timestamp=timestamp))
    assert (ack["success"], ack["code"]) == (False, "stale")
    await receiver.quiet()


@pytest.mark.parametrize("ack_id", ["0", "007", "4611686018427387904", "9" * 16, "9007199254740993"])
@pytest.mark.parametrize("event", ["call:ringing", "call:teleport"])
async def test_ack_ids_come_back_as_they_are_read(server: InProcess, event: str, ack_id: str) -> None:
    phone = await server.phone("USR_1")
    await phone.send(f'42{ack_id}["{event}",{{"callId":"17"}}]')
    if len(ack_id) > 16:
        await phone.expect_gone()
    else:
        assert (await phone.acked(int(ack_id)))["success"] is False


@pytest.mark.parametrize("user_id", [0, -1, 2**31, 2**62, 2**63, 2**64, 10**100])
async def test_a_user_id_may_be_a_wide_integer(server: InProcess, user_id: int) -> None:
    phone = await server.phone(str(user_id))
    again = await server.open()
    assert await again.connect({"token": f"dev:{user_id}", "userId": user_id, "deviceId": 5}) is None
    assert (await again.ask("call:sync", {}))["success"]
    await phone.quiet()


USER_IDS: Final[list[object]] = [None, True, False, 1.0, 1e300, 10**128, [], {}, ["1"]]
CREDENTIALS: Final[list[object]] = [
    *([], [[]], "1", True, False, {}, {"token": "dev:1"}, {"token": 1, "userId": 1}, {"token": [], "userId": {}}),
    *({"token": "dev:1", "userId": user} for user in USER_IDS),
]


@pytest.mark.parametrize("auth", CREDENTIALS, ids=repr)
async def test_credentials_of_any_type_are_refused_in_words(server: InProcess, auth: object) -> None:
    error = await (await server.open()).connect(auth)
    assert error is not None
    assert error["data"]["code"] in ("auth_required", "auth_failed"), error


@pytest.mark.parametrize("kind", ["null", "true", "-1", "1e300", '"' + "\\u0000" * 200 + '"', '"\\ud83d\\ude00"'])
async def test_a_device_id_of_any_kind_is_a_device(server: InProcess, kind: str) -> None:
    """Only a text names one; anything else counts as none."""
    phone, caller, call = await server.open(), await server.phone("USR_1"), new_call_id()
    error = await phone.connect({"token": "dev:USR_2", "userId": "USR_2", "deviceId": json.loads(kind)})
    if kind.startswith('"\\u0000'):
        assert error is not None  # longer than an id may be
        return
    await ring(caller, phone, "USR_2", call)


@pytest.mark.parametrize("reason", ["", "\0", "\N{GRINNING FACE}" * 300, "e\N{COMBINING ACUTE ACCENT}", "x" * 30_000])
async def test_any_text_is_a_reason(server: InProcess, reason: str) -> None:
    caller, receiver, call = await server.phone("USR_1"), await server.phone("USR_2"), new_call_id()
    await ring(caller, receiver, "USR_2", call)
    assert (await receiver.ask("call:reject", {"callId": call, "reason": reason}))["success"]
    assert (await caller.expect("call:rejected"))["reason"] == (reason[:200] or "User declined")


@pytest.mark.parametrize(
    "packet",
    [
        '450-["call:end",{"callId":"17"}]',
        '450-1["call:end",{"callId":"17"}]',
        '42["call:end",{"callId":"17"},1,[null],{"a":1e300}]',
        '42["call:end", {"callId":"17"} ] ',
        '42["call:\\u0065nd",{"callId":"17"}]',
        '42["call:end",{"callId":"16","callId":"17"}]',
        '42["call:end",{"callId":"17","more":' + "[" * DEEP + "]" * DEEP + "}]",
        '42["call:teleport",{"callId":"17","more":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}]",
        '42["call:teleport",' + "[" * DEEP + "]" * DEEP + "]",
    ],
    ids=lambda packet: packet[:40],
)
async def test_every_way_of_writing_an_event_is_taken(server: InProcess, packet: str) -> None:
    phone = await server.phone("USR_1")
    await phone.send(packet)
    assert (await phone.ask("call:end", {"callId": "17"}))["code"] == "not_found"


async def test_attachments_are_bytes_wherever_they_stand(server: InProcess) -> None:
    phone = await server.phone("USR_1")
    held = '{"_placeholder":true,"num":0}'
    for number, arguments in enumerate(
        (held, f"[{held}]", f'{{"callId":{held}}}', f'{{"callId":"17","reason":{held}}}')
    ):
        for event in ("call:reject", "presence:watch", "call:teleport"):
            await phone.send(f'451-{number}["{event}",{arguments}]')
            await phone.send_bytes(b"\xff\0CALL_17")
            assert (await phone.acked(number))["code"] == "invalid_payload"


async def test_answers_that_nobody_waits_for_have_no_effect(server: InProcess) -> None:
    phone = await server.phone("USR_1")
    for packet in ("430[]", "439999999999999999[null]", '431[{"a":[1e300]}]', "460-1[]"):
        await phone.send(packet)
    await phone.quiet()


@pytest.mark.parametrize("call", [0, -1, 2**63, 10**30])
async def test_the_backend_may_write_ids_as_integers(server: InProcess, call: int) -> None:
    phone = await server.phone("5")
    body = {"callId": call, "callerId": 5, "receiverId": 10**40}
    status, reply = await server.post("/api/emit/call-ended", body)
    assert (status, reply["success"]) == (200, True), reply
    assert (await phone.expect("call:ended"))["callId"] == str(call)
