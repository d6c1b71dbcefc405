"""What every `Directory` and `Bus` promise: who is there, and which socket of a device a delivery reaches."""

from collections.abc import Callable

import pytest

from onlycare_socket.calls.ids import CallId, DeviceId, UserId
from onlycare_socket.delivery import Delivery
from onlycare_socket.ports import Bus, Directory, Identity
from onlycare_socket.sockets import Connection, NodeSockets
from tests.phones import HandClock, Wire
from tests.ports.adapters import SOCKETS


class Paper:
    """A socket that keeps what is written to it."""

    def __init__(self, clock: HandClock, id_: str) -> None:
        self.id = id_
        self.session = Wire(clock)
        self.written: list[bytes] = []

    def send(self, packet: bytes) -> None:
        self.written.append(packet)

    def close(self, reason: str = "") -> None:
        """Never asked for here."""


class Node:
    """The sockets of one node, and what is connected to them."""

    def __init__(self, sockets: NodeSockets, clock: HandClock) -> None:
        self.sockets = sockets
        self.directory: Directory = sockets
        self.bus: Bus = sockets
        self._clock = clock
        self.connections: dict[int, Connection] = {}

    def connect(self, user: str = "5", device: str = "1") -> Paper:
        paper = Paper(self._clock, f"{user}/{device}")
        connection = Connection(Identity(user=UserId(user), id=user), DeviceId(f"d:{device}"), paper, 0.0)
        self.sockets.add(connection)
        self.connections[id(paper)] = connection
        return paper

    def disconnect(self, paper: Paper) -> None:
        self.sockets.remove(self.connections[id(paper)])

    def send(self, *devices: str, call: str = "1", what: str = "x", ringing: frozenset[str] | None = None) -> None:
        self.bus.send(
            Delivery(
                user=UserId("5"),
                devices=tuple(DeviceId(f"d:{device}") for device in devices),
                call=CallId(call),
                what=what,
                packets=(what.encode(),),
                ringing=None if ringing is None else frozenset(DeviceId(f"d:{each}") for each in ringing),
            )
        )


@pytest.fixture(params=SOCKETS)
def node(request: pytest.FixtureRequest) -> Node:
    make: Callable[[HandClock], NodeSockets] = SOCKETS[request.param]
    clock = HandClock()
    return Node(make(clock), clock)


class TestDirectory:
    def test_nobody_has_no_devices(self, node: Node) -> None:
        assert list(node.directory.devices(UserId("5"))) == []

    def test_every_device_once(self, node: Node) -> None:
        for device in ("1", "1", "2"):
            node.connect(device=device)
        node.connect("6", "3")
        assert sorted(node.directory.devices(UserId("5"))) == ["d:1", "d:2"]

    def test_a_device_is_there_until_its_last_socket_closed(self, node: Node) -> None:
        first, second = node.connect(), node.connect()
        node.disconnect(second)
        assert list(node.directory.devices(UserId("5"))) == ["d:1"]
        node.disconnect(first)
        assert list(node.directory.devices(UserId("5"))) == []


class TestBus:
    def test_every_named_device_is_written_to(self, node: Node) -> None:
        one, two, three = (node.connect(device=device) for device in "123")
        node.send("1", "3")
        assert (one.written, two.written, three.written) == ([b"x"], [], [b"x"])

    def test_the_newest_socket_of_a_device(self, node: Node) -> None:
        old, new = node.connect(), node.connect()
        node.send("1")
        assert (old.written, new.written) == ([], [b"x"])
        node.disconnect(new)
        node.send("1")
        assert old.written == [b"x"]

    def test_other_users_devices_of_the_same_name_are_not(self, node: Node) -> None:
        node.connect()
        other = node.connect("6")
        node.send("1")
        assert other.written == []

    def test_a_device_that_is_gone_is_no_error(self, node: Node) -> None:
        node.send("1", "2")
        assert node.connect().written == []

    def test_several_packets_in_order(self, node: Node) -> None:
        phone = node.connect()
        node.bus.send(
            Delivery(user=UserId("5"), devices=(DeviceId("d:1"),), call=CallId("1"), what="b", packets=(b"a", b"b"))
        )
        assert phone.written == [b"a", b"b"]

    def test_a_call_rings_once_on_a_connection(self, node: Node) -> None:
        phone = node.connect()
        node.send("1", what="call:incoming")
        node.send("1", what="call:incoming")
        node.send("1", call="2", what="call:incoming")
        assert phone.written == [b"call:incoming", b"call:incoming"]

    def test_it_rings_again_on_a_newer_connection(self, node: Node) -> None:
        node.connect()
        node.send("1", what="call:incoming")
        newer = node.connect()
        node.send("1", what="call:incoming")
        assert newer.written == [b"call:incoming"]

    def test_a_stop_reaches_only_where_it_rings(self, node: Node) -> None:
        rings, quiet = node.connect(device="1"), node.connect(device="2")
        node.send("1", what="call:incoming")
        node.send("1", "2", what="stop", ringing=frozenset())
        assert (rings.written, quiet.written) == ([b"call:incoming", b"stop"], [])

    def test_a_stop_reaches_the_older_socket_if_only_that_rang(self, node: Node) -> None:
        older = node.connect()
        node.send("1", what="call:incoming")
        newer = node.connect()
        node.send("1", what="stop", ringing=frozenset())
        assert (older.written[-1], newer.written) == (b"stop", [])

    def test_a_stop_reaches_a_device_that_is_known_to_ring_on_any_connection(self, node: Node) -> None:
        phone = node.connect()
        node.send("1", what="stop", ringing=frozenset("1"))
        assert phone.written == [b"stop"]
