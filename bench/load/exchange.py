"""HTTP requests of a phone that polls: one after the other on a connection that stays open."""

from collections.abc import Callable
from typing import Final

from bench.load.loop import WRITE
from bench.load.outgoing import outgoing, reason
from bench.load.packets import shown
from bench.load.phone import Phone
from bench.load.reports import Unexpected

LARGEST: Final = 65_536
"""Bytes read of an answer at once; none of a handshake comes near."""


class Exchange:
    """A connection on which one HTTP request is made after the other."""

    __slots__ = ("_answer", "_got", "_phone", "_request", "_socket")

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._got = b""
        self._socket = outgoing(phone.server.address, phone.number)
        phone.loop.watch(self._socket.fileno(), self._read)

    def ask(self, method: str, session: str, body: bytes, answer: Callable[[bytes], None]) -> None:
        """Asks for the polling transport of a session; calls `answer` with the body of a 200."""
        head = f"{method} /socket.io/?EIO=4&transport=polling{session} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if body:
            head += f"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len(body)}\r\n"
        self._request = head.encode() + b"\r\n" + body
        self._answer = answer
        self._write()

    def _write(self) -> None:
        loop, fd = self._phone.loop, self._socket.fileno()
        try:
            self._socket.send(self._request)
        except BlockingIOError:
            loop.change(fd, self._write, WRITE)
        except ConnectionError as failure:
            self._phone.drop(reason(failure))
        else:
            loop.change(fd, self._read)

    def _read(self) -> None:
        try:
            data = self._socket.recv(LARGEST)
        except BlockingIOError:
            return
        except ConnectionError as failure:
            self._phone.drop(reason(failure))
            return
        if not data:
            self._phone.drop("the server closed it")
            return
        self._got += data
        if (body := body_of(self._got)) is not None:
            self._got = b""
            self._answer(body)

    def close(self) -> None:
        """Closes the connection."""
        self._phone.loop.forget(self._socket.fileno())
        self._socket.close()


def body_of(answer: bytes) -> bytes | None:
    """Returns the body of a 200, or None when it is not all there yet. Raises Unexpected for another answer."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return None
    status, *fields = head.lower().split(b"\r\n")
    if not status.startswith(b"http/1.1 200"):
        raise Unexpected(f"the server answered {shown(status)}: {shown(body)}")
    headers = {name.strip(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
    if headers.get(b"transfer-encoding") == b"chunked":
        return unchunked(body)
    return body if len(body) >= int(headers.get(b"content-length", 0)) else None


def unchunked(body: bytes) -> bytes | None:
    """Returns what stands in the chunks of a body (RFC 9112, section 7.1), or None when the last is missing."""
    whole = b""
    while True:
        size, end, rest = body.partition(b"\r\n")
        if not end or len(rest) < int(size, 16) + 2:
            return None
        if not int(size, 16):
            return whole
        whole, body = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
