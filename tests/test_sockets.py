"""The sockets of a node: who is online, with what, since when; and what was said on a connection without an echo."""

import pytest

from onlycare_socket import sockets as node_sockets
from onlycare_socket.calls.ids import CallId, DeviceId, UserId
from onlycare_socket.delivery import Delivery
from onlycare_socket.ports import Identity
from onlycare_socket.sockets import RUNG, SOCKETS_PER_USER, UNCONFIRMED, Connection, NodeSockets
from tests.phones import START, HandClock, Wire

ANA = UserId("5")


class Paper:
    """A socket that keeps what is written to it."""

    def __init__(self, clock: HandClock) -> None:
        self.id = "sid"
        self.session = Wire(clock)
        self.written: list[bytes] = []

    def send(self, packet: bytes) -> None:
        self.written.append(packet)

    def close(self, reason: str = "") -> None:
        """Never asked for here."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def sockets(clock: HandClock) -> NodeSockets:
    return NodeSockets(clock)


def connection(clock: HandClock, user: str = "5", device: str = "1", shown: str = "USR_5") -> Connection:
    return Connection(Identity(user=UserId(user), id=shown), DeviceId(f"d:{device}"), Paper(clock), 0.0)


class TestComingAndGoing:
    def test_the_first_and_the_last_socket_of_a_user_are_pointed_out(
        self, sockets: NodeSockets, clock: HandClock
    ) -> None:
        first, second = connection(clock), connection(clock, device="2")
        assert sockets.add(first) is True
        assert sockets.add(second) is False
        assert sockets.remove(first) is False
        assert sockets.remove(second) is True

    def test_removing_what_is_not_there_is_no_error_and_nobodys_last(
        self, sockets: NodeSockets, clock: HandClock
    ) -> None:
        mine = connection(clock)
        assert sockets.remove(mine) is False
        sockets.add(mine)
        assert sockets.remove(connection(clock)) is False
        sockets.remove(mine)
        assert sockets.remove(mine) is False
        assert sockets.connection_count == 0

    def test_counts_follow(self, sockets: NodeSockets, clock: HandClock) -> None:
        mine = [connection(clock), connection(clock), connection(clock, "6")]
        for each in mine:
            sockets.add(each)
        assert (sockets.user_count, sockets.connection_count) == (2, 3)
        assert sorted(sockets.users()) == ["5", "6"]
        sockets.remove(mine[0])
        sockets.remove(mine[2])
        assert (sockets.user_count, sockets.connection_count) == (1, 1)

    def test_a_users_sockets_newest_first(self, sockets: NodeSockets, clock: HandClock) -> None:
        old, new, tablet = connection(clock), connection(clock), connection(clock, device="2")
        for each in (old, new, tablet):
            sockets.add(each)
        assert sockets.connections(ANA) == (tablet, new, old)
        assert sockets.of_device(ANA, DeviceId("d:1")) == [new, old]
        assert sockets.connections(UserId("6")) == ()

    def test_online_follows(self, sockets: NodeSockets, clock: HandClock) -> None:
        mine = connection(clock)
        assert not sockets.online(ANA)
        sockets.add(mine)
        assert sockets.online(ANA)
        sockets.remove(mine)
        assert not sockets.online(ANA)

    def test_there_is_room_for_so_many_sockets_of_a_user(self, sockets: NodeSockets, clock: HandClock) -> None:
        for _ in range(SOCKETS_PER_USER):
            assert sockets.has_room(ANA)
            sockets.add(connection(clock))
        assert not sockets.has_room(ANA)
        assert sockets.has_room(UserId("6"))


class TestSeen:
    def test_the_spelling_of_the_backend_is_remembered(self, sockets: NodeSockets, clock: HandClock) -> None:
        mine = connection(clock)
        assert sockets.shown(ANA) is None
        sockets.add(mine)
        assert sockets.shown(ANA) == "USR_5"
        sockets.remove(mine)
        assert sockets.shown(ANA) == "USR_5"

    def test_when_the_last_socket_closed(self, sockets: NodeSockets, clock: HandClock) -> None:
        first, second = connection(clock), connection(clock)
        sockets.add(first)
        sockets.add(second)
        assert sockets.last_seen(ANA) is None
        clock.run(10)
        sockets.remove(first)
        assert sockets.last_seen(ANA) is None, "he is still there"
        clock.run(10)
        sockets.remove(second)
        assert sockets.last_seen(ANA) == START + 20_000
        sockets.add(first)
        assert sockets.last_seen(ANA) is None

    def test_only_so_many_are_remembered(
        self, sockets: NodeSockets, clock: HandClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(node_sockets, "USERS_SEEN", 10)
        for number in range(30):
            mine = connection(clock, str(number), shown=f"USR_{number}")
            sockets.add(mine)
            sockets.remove(mine)
        assert [number for number in range(30) if sockets.shown(UserId(str(number)))] == list(range(20, 30))

    def test_one_who_is_online_is_never_forgotten(
        self, sockets: NodeSockets, clock: HandClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(node_sockets, "USERS_SEEN", 10)
        ana = connection(clock)
        sockets.add(ana)
        for number in range(100, 130):
            mine = connection(clock, str(number))
            sockets.add(mine)
            sockets.remove(mine)
        assert sockets.shown(ANA) == "USR_5"
        clock.run(1)
        sockets.remove(ana)
        assert sockets.last_seen(ANA) == START + 1_000


class TestSaid:
    def say(self, mine: Connection, what: str) -> None:
        mine.say(CallId("1"), what, (what.encode(),))

    def unheard(self, mine: Connection) -> list[str]:
        return [what for _, what in mine.unheard()]

    def test_nothing_said_nothing_unheard(self, clock: HandClock) -> None:
        assert connection(clock).unheard() == []

    def test_what_was_said_is_unheard_until_a_packet_comes(self, clock: HandClock) -> None:
        mine = connection(clock)
        self.say(mine, "a")
        self.say(mine, "b")
        assert self.unheard(mine) == ["a", "b"]
        assert self.unheard(mine) == [], "taken out once"

    def test_a_packet_confirms_what_was_said_before_it(self, clock: HandClock) -> None:
        mine = connection(clock)
        self.say(mine, "a")
        wire = mine.socket.session
        wire.packets_in += 1
        self.say(mine, "b")
        assert self.unheard(mine) == ["b"]
        self.say(mine, "c")
        wire.packets_in += 1
        assert self.unheard(mine) == []

    def test_what_closes_the_connection_is_unheard_too(self, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
        mine = connection(clock)
        found: list[str] = []
        monkeypatch.setattr(mine.socket, "send", lambda packet: found.extend(self.unheard(mine)))
        self.say(mine, "a")
        assert found == ["a"]

    def test_only_the_newest_so_many_are_kept(self, clock: HandClock) -> None:
        mine = connection(clock)
        for number in range(UNCONFIRMED + 10):
            self.say(mine, str(number))
        assert self.unheard(mine) == [str(number) for number in range(10, UNCONFIRMED + 10)]

    def test_what_rang_is_kept_for_the_newest_so_many_calls(self, sockets: NodeSockets, clock: HandClock) -> None:
        mine = connection(clock)
        sockets.add(mine)
        for number in range(RUNG + 5):
            sockets.send(
                Delivery(
                    user=ANA,
                    devices=(mine.device,),
                    call=CallId(str(number)),
                    what="call:incoming",
                    packets=(b"x",),
                )
            )
        assert mine.rung == tuple(str(number) for number in range(5, RUNG + 5))


class TestDelivered:
    def test_it_hears_which_connections_were_written_to(self, sockets: NodeSockets, clock: HandClock) -> None:
        phone, tablet = connection(clock), connection(clock, device="2")
        sockets.add(phone)
        sockets.add(tablet)
        heard: list[tuple[Delivery, list[Connection]]] = []
        sockets.delivered = lambda delivery, connections: heard.append((delivery, connections))
        delivery = Delivery(
            user=ANA, devices=(phone.device, DeviceId("d:9")), call=CallId("1"), what="x", packets=(b"x",)
        )
        sockets.send(delivery)
        assert heard == [(delivery, [phone])]

    def test_an_accept_is_not_said_twice_in_a_row(self, sockets: NodeSockets, clock: HandClock) -> None:
        """A device that came while the accept was being kept is told of it twice; what is lost is told again later."""
        paper = Paper(clock)
        mine = Connection(Identity(user=ANA, id="USR_5"), DeviceId("d:1"), paper, 0.0)
        sockets.add(mine)
        devices = (DeviceId("d:1"),)
        for what, written in (("call:accepted", 1), ("call:accepted", 1), ("call:ended", 2), ("call:ended", 3)):
            sockets.send(Delivery(user=ANA, devices=devices, call=CallId("1"), what=what, packets=(b"x",)))
            assert len(paper.written) == written
        paper.session.speak()
        sockets.send(Delivery(user=ANA, devices=devices, call=CallId("1"), what="call:accepted", packets=(b"x",)))
        assert len(paper.written) == 4

    def test_a_delivery_that_reached_nobody_is_not_heard_of(self, sockets: NodeSockets, clock: HandClock) -> None:
        heard: list[object] = []
        sockets.delivered = lambda delivery, connections: heard.append(delivery)
        sockets.send(Delivery(user=ANA, devices=(DeviceId("d:1"),), call=CallId("1"), what="x", packets=(b"x",)))
        assert heard == []
