"""Engine.IO packets and polling payloads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlycare_socket.wire.engineio import (
    Binary,
    MalformedPayload,
    Packet,
    Refusal,
    is_text,
    join_payload,
    open_packet,
    split_payload,
)

text_packets = st.tuples(st.sampled_from("0123456"), st.text(st.characters(exclude_characters="\x1e"))).map(
    lambda parts: "".join(parts).encode("utf-8", "ignore")
)
packets = st.one_of(text_packets, st.binary().map(Binary))


@given(st.lists(packets, min_size=1))
def test_a_payload_gives_back_what_was_put_into_it(sent: list[Packet]) -> None:
    received = split_payload(join_payload(sent))
    assert received == sent
    assert [type(packet) for packet in received] == [type(packet) for packet in sent]


@given(st.binary())
def test_any_body_is_split_or_refused(body: bytes) -> None:
    try:
        received = split_payload(body)
    except MalformedPayload:
        return
    assert received
    assert all(type(packet) is Binary or is_text(packet) for packet in received)


@pytest.mark.parametrize(
    "body",
    [b"", b"\x1e", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b", b"4\xff", b"b!!!!", b"bAQIDBA", b"4a\x1ebA", b"b AQIDBA=="],
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        split_payload(body)


def test_text_and_binary_share_a_payload() -> None:
    assert join_payload([b"4hello", Binary(b"\x01\x02\x03\x04")]) == b"4hello\x1ebAQIDBA=="


def test_the_open_packet_writes_milliseconds() -> None:
    packet = open_packet("id", ["websocket"], 0.3, 20.0, 65_536)
    assert packet[:1] == b"0"
    assert json.loads(packet[1:]) == {
        "sid": "id",
        "upgrades": ["websocket"],
        "pingInterval": 300,
        "pingTimeout": 20_000,
        "maxPayload": 65_536,
    }


@pytest.mark.parametrize(
    ("refusal", "status", "code", "message"),
    [
        (Refusal.UNKNOWN_TRANSPORT, 400, 0, "Transport unknown"),
        (Refusal.UNKNOWN_SESSION, 400, 1, "Session ID unknown"),
        (Refusal.BAD_HANDSHAKE_METHOD, 400, 2, "Bad handshake method"),
        (Refusal.BAD_REQUEST, 400, 3, "Bad request"),
        (Refusal.FORBIDDEN, 403, 4, "Forbidden"),
        (Refusal.UNSUPPORTED_VERSION, 400, 5, "Unsupported protocol version"),
    ],
)
def test_the_protocols_own_refusals(refusal: Refusal, status: int, code: int, message: str) -> None:
    assert refusal.status == status
    assert json.loads(refusal.body()) == {"code": code, "message": message}
