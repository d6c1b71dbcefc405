"""Null and wrong types in every field of every event: refused, the socket stays open, nothing is logged."""

import json
from collections.abc import MutableMapping
from typing import Any, Final

import pytest

from .in_process import InProcess, initiate, new_call_id, ring

GOOD: Final[dict[str, dict[str, Any]]] = {
    "call:initiate": initiate("USR_2", "CALL_7", timestamp=1),
    "call:accept": {"callId": "CALL_7"},
    "call:reject": {"callId": "CALL_7", "reason": "no"},
    "call:cancel": {"callId": "CALL_7", "reason": "no"},
    "call:end": {"callId": "CALL_7"},
    "call:ringing": {"callId": "CALL_7"},
    "call:upgrade": {"callId": "CALL_7"},
    "call:switchToVideo": {"callId": "CALL_7"},
    "call:switch_to_video": {"callId": "CALL_7"},
    "call:upgrade:response": {"callId": "CALL_7", "accepted": True, "reason": "no"},
    "presence:watch": {"userIds": []},
}
OPTIONAL: Final = {"reason", "timestamp"}
WRONG: Final[list[Any]] = [None, True, 1.5, {}, [], {"callId": "CALL_7"}, ["CALL_7"], 10**30]
FIELDS: Final = [(event, field) for event, payload in GOOD.items() for field in payload]
NO_OBJECT: Final = ["", "null", "17", '"text"', "[]", "true", "[{}]", "[[[[]]]]"]


def wrong_for(field: str, value: object) -> bool:
    """Says whether a value is not of the type that a field wants."""
    if field == "accepted":
        return not isinstance(value, bool)
    if field == "timestamp":
        return isinstance(value, bool) or not isinstance(value, int | float)
    return not isinstance(value, list if field == "userIds" else str)


@pytest.fixture(autouse=True)
def _nothing_logged(log_lines: list[MutableMapping[str, Any]]) -> Any:
    yield
    assert [line["event"] for line in log_lines if line["log_level"] != "info"] == []


@pytest.mark.parametrize(("event", "field"), FIELDS)
async def test_a_wrong_field(server: InProcess, event: str, field: str) -> None:
    phone = await server.phone("USR_1")
    good = GOOD[event]
    if field not in OPTIONAL:
        missing = {name: value for name, value in good.items() if name != field}
        await refused(phone, event, missing)
    for value in WRONG:
        if wrong_for(field, value):
            await refused(phone, event, {**good, field: value})
            await phone.tell(event, {**good, field: value})
    await phone.quiet()


async def refused(phone: Any, event: str, payload: dict[str, Any]) -> None:
    """Asserts that a payload is refused in the contract's words, with the call id if it is readable."""
    ack = await phone.ask(event, payload)
    assert (ack["success"], ack["code"]) == (False, "invalid_payload"), (payload, ack)
    assert ack.get("callId") == ("CALL_7" if payload.get("callId") == "CALL_7" else None)
    assert "state" not in ack


@pytest.mark.parametrize("event", [*GOOD, "call:sync"])
async def test_no_object_at_all(server: InProcess, event: str) -> None:
    phone = await server.phone("USR_1")
    for number, text in enumerate(NO_OBJECT, 1000):
        arguments = f'"{event}",{text}' if text else f'"{event}"'
        await phone.send(f"42[{arguments}]")
        await phone.send(f"42{number}[{arguments}]")
        ack = await phone.acked(number)
        assert (ack["success"], ack["code"]) == (False, "invalid_payload"), text
    await phone.quiet()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("receiverId", ""),
        ("receiverId", "x" * 129),
        ("receiverId", "a\nb"),
        ("callId", ""),
        ("callId", "x" * 129),
        ("callId", "a b"),
        ("callId", "CALL_\N{DIGIT ONE}\N{ARABIC-INDIC DIGIT ONE}"),
        ("callType", ""),
        ("callType", "hologram"),
        ("channelName", ""),
        ("channelName", "x" * 257),
        ("agoraToken", "x" * 4097),
    ],
)
async def test_texts_that_do_not_fit(server: InProcess, field: str, value: str) -> None:
    phone = await server.phone("USR_1")
    ack = await phone.ask("call:initiate", {**GOOD["call:initiate"], field: value})
    assert (ack["success"], ack["code"]) == (False, "invalid_payload")
    assert ack.get("callId") == (None if field == "callId" else "CALL_7")


async def test_an_empty_agora_token_is_fine(server: InProcess) -> None:
    caller, receiver = await server.phone("USR_1"), await server.phone("USR_2")
    await caller.ask("call:initiate", initiate("USR_2", new_call_id(), agoraToken=""))
    assert (await receiver.expect("call:incoming"))["agoraToken"] == ""


async def test_a_party_is_told_the_state_with_the_refusal(server: InProcess) -> None:
    caller, receiver, call = await server.phone("USR_1"), await server.phone("USR_2"), new_call_id()
    await ring(caller, receiver, "USR_2", call)
    ack = await receiver.ask("call:reject", {"callId": call, "reason": 5})
    assert (ack["code"], ack["callId"], ack["state"]) == ("invalid_payload", call, "ringing")
    stranger = await server.phone("USR_3")
    assert "state" not in await stranger.ask("call:reject", {"callId": call, "reason": 5})


async def test_unknown_events(server: InProcess) -> None:
    phone = await server.phone("USR_1")
    for name in ("call:teleport", "", "x" * 1000, "__proto__", "message"):
        await phone.tell(name, {"callId": "CALL_7"})
        ack = await phone.ask(name, {"callId": "CALL_7"})
        assert (ack["success"], ack["code"], ack["callId"]) == (False, "invalid_payload", "CALL_7")
    await phone.quiet()


@pytest.mark.parametrize("watched", [["x" * 129], [""], ["1"] * 501, [5], [None], "5"])
async def test_watch_lists_that_do_not_fit(server: InProcess, watched: object) -> None:
    phone = await server.phone("USR_1")
    ack = await phone.ask("presence:watch", {"userIds": watched})
    assert (ack["success"], ack["code"]) == (False, "invalid_payload")


@pytest.mark.parametrize(
    "body",
    [
        '{"callId":NaN}',
        '{"callId":"\\ud800"}',
        '{"callId":1e999}',
        '{"callId":' + "9" * 5000 + "}",
        '{"callId":"CALL_7"',
        '{"a":' * 5000 + "1" + "}" * 5000,
        "[" * 30_000 + "]" * 30_000,
    ],
    ids=["nan", "surrogate", "infinite", "huge", "cut", "deep objects", "deep arrays"],
)
async def test_text_that_is_no_good_json_never_stops_the_server(server: InProcess, body: str) -> None:
    phone, other = await server.phone("USR_1"), await server.phone("USR_2")
    await phone.send(f'42["call:accept",{body}]')
    await phone.send(f'42["call:initiate",{body}]')
    assert (await other.ask("call:sync", {}))["success"]


async def test_bytes_where_text_belongs(server: InProcess) -> None:
    phone = await server.phone("USR_1")
    placeholder = json.dumps(["call:accept", {"callId": {"_placeholder": True, "num": 0}}])
    await phone.send(f"451-77{placeholder}")
    await phone.send_bytes(b"\x00CALL_7")
    ack = await phone.acked(77)
    assert (ack["success"], ack["code"]) == (False, "invalid_payload")
    await phone.quiet()
