"""Socket.IO packets, as text."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlycare_socket.wire import socketio
from onlycare_socket.wire.socketio import Header, MalformedPacket

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=8,
)
names = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: name not in socketio.RESERVED_EVENTS)
namespaces = st.from_regex(r"/[a-z0-9/_-]{0,20}", fullmatch=True)
ack_ids = st.none() | st.integers(0, 10**16 - 1)


@given(names, st.lists(json_values, max_size=3), namespaces, ack_ids)
def test_an_event_gives_back_what_was_put_into_it(
    name: str, args: list[Any], namespace: str, ack_id: int | None
) -> None:
    packet = socketio.event_packet(name, *args, namespace=namespace, ack_id=ack_id)
    header = socketio.parse_header(packet)
    assert header[:4] == (socketio.EVENT, 0, namespace, ack_id)
    assert socketio.split_event(socketio.parse_arguments(packet[header.body :])) == (name, args)


@given(st.integers(0, 10**16 - 1), st.lists(json_values, max_size=3), namespaces)
def test_an_ack_gives_back_what_was_put_into_it(ack_id: int, args: list[Any], namespace: str) -> None:
    packet = socketio.ack_packet(ack_id, *args, namespace=namespace)
    header = socketio.parse_header(packet)
    assert header[:4] == (socketio.ACK, 0, namespace, ack_id)
    assert socketio.parse_arguments(packet[header.body :]) == args


@given(
    st.binary(max_size=200) | st.from_regex(rb"4[0-7][0-9]{0,3}-?(/[a-z]*,?)?[0-9]{0,3}(\[.{0,20}\])?", fullmatch=True)
)
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        return  # the transport lets no such message pass
    try:
        header = socketio.parse_header(data)
        socketio.split_event(socketio.parse_arguments(data[header.body :]))
    except MalformedPacket:
        return
    assert 0 <= header.attachments <= socketio.MAX_ATTACHMENTS


@pytest.mark.parametrize(
    ("packet", "header"),
    [
        (b"40", Header(0, 0, "/", None, 2)),
        (b'40{"token":"1"}', Header(0, 0, "/", None, 2)),
        (b"40/custom", Header(0, 0, "/custom", None, 9)),
        (b"40/custom,{}", Header(0, 0, "/custom", None, 10)),
        (b'42["a"]', Header(2, 0, "/", None, 2)),
        (b'4212["a"]', Header(2, 0, "/", 12, 4)),
        (b'42/custom,12["a"]', Header(2, 0, "/custom", 12, 12)),
        (b'451-["a",{"_placeholder":true,"num":0}]', Header(5, 1, "/", None, 4)),
        (b'452-/custom,7["a"]', Header(5, 2, "/custom", 7, 13)),
        (b"4610-3[]", Header(6, 10, "/", 3, 6)),
    ],
)
def test_headers(packet: bytes, header: Header) -> None:
    assert socketio.parse_header(packet) == header


@pytest.mark.parametrize(
    "packet",
    [
        b"4",
        b"47",
        b"4abc",
        b"45[]",
        b"45999999999-[]",
        b"4511-[]",
        b"4599999999999999999999-[]",
        b"421-[]",
        b"4012",
        b"43[]",
        b"460-[]",
        b"4112",
        b"441",
    ],
)
def test_a_malformed_header_is_refused(packet: bytes) -> None:
    with pytest.raises(MalformedPacket):
        socketio.parse_header(packet)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"abc[]",
        b"[",
        b"[NaN]",
        b"[Infinity]",
        b'["\\ud800"]',
        b'["\x00"]',
        b"[1e999]",
        b"[" + b"9" * 60_000 + b"]",
        b"[" * 60_000 + b"]" * 60_000,
        b"[" * 200_000 + b"]" * 200_000,
        b'["a",' + b'{"a":' * 40_000 + b"1" + b"}" * 40_000 + b"]",
        b"[1,]",
        b'["a"]]',
        b'"text"',
        b"null",
    ],
)
def test_malformed_arguments_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedPacket):
        socketio.parse_arguments(body)


@pytest.mark.parametrize(
    "arguments", [[], [None], [1], [{}], [["a"]], [True], *[[n] for n in socketio.RESERVED_EVENTS]]
)
def test_an_event_needs_a_name_of_its_own(arguments: list[Any]) -> None:
    with pytest.raises(MalformedPacket):
        socketio.split_event(arguments)


def test_the_packets_a_server_sends() -> None:
    class Ring(msgspec.Struct):
        call: str

    assert socketio.event_packet("call:incoming", Ring("1")) == b'42["call:incoming",{"call":"1"}]'
    assert socketio.event_packet("a", msgspec.Raw(b"[1]"), namespace="/x") == b'42/x,["a",[1]]'
    assert socketio.ack_packet(7) == b"437[]"
    assert socketio.connect_packet("id") == b'40{"sid":"id"}'
    assert socketio.connect_error_packet("Invalid namespace", namespace="/r") == b'44/r,{"message":"Invalid namespace"}'
    assert socketio.connect_error_packet("no", {"code": "x"}) == b'44{"message":"no","data":{"code":"x"}}'
    assert socketio.disconnect_packet() == b"41"
    assert socketio.disconnect_packet("/x") == b"41/x,"


def test_integers_wider_than_64_bits_survive() -> None:
    class Holder(msgspec.Struct):
        number: int

    assert json.loads(socketio.to_json([10**29, Holder(-(10**29))])) == [10**29, {"number": -(10**29)}]
