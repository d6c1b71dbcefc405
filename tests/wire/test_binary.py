"""Binary attachments."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlycare_socket.wire import socketio
from onlycare_socket.wire.binary import Assembly, binary_packet, holds_bytes
from onlycare_socket.wire.socketio import MalformedPacket, parse_header

values = st.recursive(
    st.integers(-1000, 1000) | st.text(st.characters(codec="utf-8"), max_size=5) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def assembly(packet: bytes, max_size: int = 1000) -> Assembly:
    return Assembly(parse_header(packet), packet, max_size)


@given(st.lists(values, max_size=4), st.none() | st.integers(0, 1000))
def test_attachments_come_back_to_their_places(arguments: list[Any], ack_id: int | None) -> None:
    packet, attachments = binary_packet(socketio.BINARY_EVENT, ["name", *arguments], namespace="/x", ack_id=ack_id)
    if len(attachments) > socketio.MAX_ATTACHMENTS:
        with pytest.raises(MalformedPacket):
            parse_header(packet)
        return
    coming = assembly(packet)
    assert coming.header[:4] == (socketio.BINARY_EVENT, len(attachments), "/x", ack_id)
    for data in attachments:
        assert not coming.complete
        coming.add(data)
    assert coming.complete
    assert coming.restore() == ["name", *arguments]
    assert holds_bytes(arguments) == bool(attachments)


@pytest.mark.parametrize(
    "body",
    [
        b'["a",{"_placeholder":true,"num":1}]',
        b'["a",{"_placeholder":true,"num":-1}]',
        b'["a",{"_placeholder":true,"num":true}]',
        b'["a",{"_placeholder":true,"num":"0"}]',
        b'["a",{"_placeholder":true}]',
        b'["a"]',
        b'["a",{"_placeholder":false,"num":0}]',
        b'["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]',
    ],
)
def test_wrong_placeholders_are_refused(body: bytes) -> None:
    coming = assembly(b"451-" + body)
    coming.add(b"data")
    with pytest.raises(MalformedPacket):
        coming.restore()


def test_attachments_have_a_total_size() -> None:
    coming = assembly(b'452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', max_size=10)
    coming.add(b"12345678")
    with pytest.raises(MalformedPacket):
        coming.add(b"901")


def test_arguments_that_are_no_array_are_refused() -> None:
    with pytest.raises(MalformedPacket):
        assembly(b"451-{}")


@pytest.mark.parametrize("value", [b"", bytearray(b"a"), memoryview(b"a"), [1, {"a": (b"x",)}]])
def test_bytes_are_found(value: object) -> None:
    assert holds_bytes(value)


@pytest.mark.parametrize("value", ["", 1, None, [], {}, {"a": [1, "b", None, 1.5, True]}, object()])
def test_no_bytes_are_found(value: object) -> None:
    assert not holds_bytes(value)
