"""The shape of a plain upgrade, and everything that is none and goes to aiohttp."""

import pytest

from onlycare_socket.transport.head import MOST, read_upgrade

PHONE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    b"Host: call.example.com\r\nConnection: Upgrade\r\nUPGRADE:websocket\r\n"
    b"Sec-WebSocket-Key:  dGhlIHNhbXBsZSBub25jZQ== \r\nSec-WebSocket-Version: 13\r\n"
    b"User-Agent: okhttp/4.9.1 (Linux; U)\r\n\r\n"
)


def test_what_a_phone_sends_is_read() -> None:
    head = read_upgrade(PHONE)
    assert head is not None
    assert head.path == "/socket.io/"
    assert head.query == {"EIO": "4", "transport": "websocket"}
    assert head.headers == {
        "host": "call.example.com",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        "user-agent": "okhttp/4.9.1 (Linux; U)",
    }


@pytest.mark.parametrize("size", range(len(PHONE)))
def test_a_head_in_pieces_is_not_read(size: int) -> None:
    assert read_upgrade(PHONE[:size]) is None


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b"GET ", b"POST "),
        (b"GET ", b"get "),
        (b"GET ", b" GET "),
        (b"GET ", b"\r\nGET "),
        (b"GET ", b"GET http://call.example.com"),
        (b"/socket.io/?", b"/socket.io/#x?"),
        (b"/socket.io/?", b"/socket.io/??"),
        (b"?EIO=4&transport=websocket", b""),
        (b"EIO=4", b"EIO=%34"),
        (b"EIO=4", b"EIO=4+"),
        (b"EIO=4", b"EIO=4&EIO=3"),
        (b"EIO=4", b"a=1;EIO=4"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/1.1 "),
        (b"Host: ", b"Host : "),
        (b"Host: ", b": "),
        (b"Host: call", b"Host: \x00call"),
        (b"Host: call", b"Host: c\xc3\xa4ll"),
        (b"Host: call.example.com\r\n", b"Host: call.example.com\r\n folded\r\n"),
        (b"Host: call.example.com\r\n", b"Host: call.example.com\n"),
        (b"Host: call.example.com\r\n", b"Host: call.example.com\rX: y\r\n"),
        (b"Host: call.example.com\r\n", b"Host:\r\n"),
        (b"Host: call.example.com\r\n", b""),
        (b"Host: ", b"host: other\r\nHost: "),
        (b"Host: ", b"Content-Length: 0\r\nHost: "),
        (b"Host: ", b"transfer-encoding: chunked\r\nHost: "),
        (b"Host: ", b"Expect: 100-continue\r\nHost: "),
        (b"Host: ", b"Sec-WebSocket-Key1: 1\r\nHost: "),
        (b"Host: ", b"X: " + b"x" * MOST + b"\r\nHost: "),
        (b"\r\n\r\n", b"\r\n\r\n\x81\x80\0\0\0\0"),
        (b"\r\n\r\n", b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        (b"\r\n\r\n", b"\n\n"),
    ],
)
def test_what_differs_in_the_least_is_not_read(part: bytes, instead: bytes) -> None:
    other = PHONE.replace(part, instead, 1)
    assert other != PHONE
    assert read_upgrade(other) is None
