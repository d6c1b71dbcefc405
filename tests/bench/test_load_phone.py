"""A phone of the load against a server that is played by hand, byte by byte."""

import socket
from collections.abc import Iterator
from time import perf_counter

import pytest

from bench.load.exchange import body_of
from bench.load.frames import CLOSE, PING, PONG
from bench.load.loop import Loop
from bench.load.phone import Phone, Server
from bench.load.reports import Unexpected
from tests.bench.test_load_frames import framed, unframed

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
HELLO = framed(b'0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}')
WELCOME = framed(b'40{"sid":"b"}')


class Listening(Phone):
    """A phone that keeps what it hears."""

    heard: list[bytes]

    def hear(self, packet: bytes) -> None:
        """Keeps it, and answers."""
        self.heard.append(packet)
        self.send(framed(b"heard"))


class Played:
    """The server's end."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server(self.listener.getsockname()[1])
        self._connections: list[socket.socket] = []
        self._phones: list[Phone] = []

    def phone(self) -> Phone:
        """Returns a phone that is to connect here."""
        return self._keep(Phone(self._loop, self.server, 1))

    def listening(self) -> Listening:
        """Returns one that keeps what it hears."""
        phone = Listening(self._loop, self.server, 1)
        phone.heard = []
        self._keep(phone)
        return phone

    def _keep(self, phone: Phone) -> Phone:
        self._phones.append(phone)
        return phone

    def end(self) -> socket.socket:
        """Returns the server's end of the connection that a phone has just opened."""
        end, _ = self.listener.accept()
        end.settimeout(5)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections.append(end)
        return end

    def close(self) -> None:
        """Closes everything."""
        for phone in self._phones:
            phone.close()
        for end in (*self._connections, self.listener):
            end.close()

    def accept(self, phone: Phone) -> socket.socket:
        """Has a phone connected up to the end of its handshake."""
        arrived: list[bool] = []
        phone.open(lambda: arrived.append(True))
        end = self.end()
        assert end.recv(4096).endswith(b"\r\n\r\n")
        end.sendall(SWITCH + HELLO)
        self.run()
        assert unframed(end.recv(4096))[1].startswith(b'40{"token":"dev:USR_')
        end.sendall(WELCOME)
        self._loop.run(lambda: bool(arrived), perf_counter() + 5)
        assert arrived
        return end

    def run(self) -> None:
        """Lets the phones take what is there: over loopback it is there at once."""
        self._loop.run(lambda: False, perf_counter() + 0.01)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def played(loop: Loop) -> Iterator[Played]:
    played = Played(loop)
    yield played
    played.close()


def test_a_handshake_that_comes_in_pieces(loop: Loop, played: Played) -> None:
    phone, arrived = played.phone(), []
    phone.open(lambda: arrived.append(True))
    end = played.end()
    for byte in SWITCH + HELLO:
        end.sendall(bytes((byte,)))
        loop.run(lambda: False, perf_counter() + 0.0005)
    assert b"GET /socket.io/?EIO=4&transport=websocket " in end.recv(4096)
    end.sendall(WELCOME)
    assert loop.run(lambda: bool(arrived), perf_counter() + 5)


def test_several_frames_at_once_are_answered_in_one_send(loop: Loop, played: Played) -> None:
    phone = played.listening()
    end = played.accept(phone)
    stream = framed(b'42["a"]') + framed(b"2") + framed(b"", PING) + framed(b'42["b"]')
    end.sendall(stream[:-3])
    played.run()
    assert phone.heard == [b'42["a"]']
    answers = end.recv(4096)
    assert answers.startswith(framed(b"heard"))
    pong, ping = answers[len(framed(b"heard")) :][:7], answers[len(framed(b"heard")) + 7 :]
    assert unframed(pong)[1] == b"3"
    assert unframed(ping) == (PONG, b"")
    end.sendall(stream[-3:])
    played.run()
    assert phone.heard == [b'42["a"]', b'42["b"]']
    assert phone.heartbeats == 1


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (framed(b'42["call:busy",{"callId":"a"}]'), 'waiting for nothing, the server sent 42["call:busy"'),
        (framed(b'430[{"success":true}]'), "waiting for nothing"),
        (framed(b"41"), "neither an event nor an ack: 41"),
        (framed(b"a\xff", 0x82), "begins with 0x82"),
        (framed(b"", CLOSE), "USR_1 lost the connection: the server closed it"),
        (framed(b"1"), "USR_1 lost the connection: the server closed it"),
    ],
)
def test_what_must_not_come_ends_the_run(loop: Loop, played: Played, packet: bytes, says: str) -> None:
    end = played.accept(played.phone())
    end.sendall(packet)
    with pytest.raises(Unexpected, match=says.replace("[", r"\[")):
        played.run()


def test_events_that_only_some_servers_send_are_let_pass(loop: Loop, played: Played) -> None:
    end = played.accept(played.phone())
    end.sendall(framed(b'42["user:online",{"userId":"9"}]') + framed(b'42[ "call:ringing", {"callId": "a"}]'))
    played.run()


def test_a_refused_websocket_and_a_refused_user(loop: Loop, played: Played) -> None:
    phone = played.phone()
    for answer, says in (
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "refused the WebSocket: HTTP/1.1 403"),
        (SWITCH + HELLO + framed(b'44{"message":"Invalid token"}'), "refused USR_1: .*Invalid token"),
    ):
        phone.open(lambda: None)
        end = played.end()
        end.sendall(answer)
        with pytest.raises(Unexpected, match=says):
            played.run()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
    ],
    ids=["length", "chunks"],
)
def test_an_answer_of_http_is_taken_when_it_is_whole(answer: bytes) -> None:
    assert [body_of(answer[:size]) for size in range(len(answer))] == [None] * len(answer)
    assert body_of(answer) == b"ok"
    with pytest.raises(Unexpected, match=r"answered http/1\.1 429"):
        body_of(answer.replace(b"200 OK", b"429 Too Many Requests"))


def test_nobody_listens(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Unexpected, match="USR_1 lost the connection: Connection refused"):
        Phone(loop, Server(port), 1).open(lambda: None)
