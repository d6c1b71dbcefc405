"""The sockets of this node: who is connected, and the way to every device. Directory and bus of a single node.

A device may hold several sockets: its events go to the newest live one, and to the next newest when that one
closes. No socket is closed because a newer one came (contract section 1).
"""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final, Protocol

from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId
from onlycare_socket.clock import Clock
from onlycare_socket.delivery import Delivery
from onlycare_socket.ports import Identity

SOCKETS_PER_USER = 64
"""Live sockets of one user at the most: a bound, far above what a person owns."""
USERS_SEEN = 50_000
"""Users of whom the spelling of the id and the time of leaving are remembered."""
RUNG: Final = 8
"""Calls that rang on one connection: the newest so many. A user is rung by one call at a time."""
UNCONFIRMED: Final = 32
"""What was told on one connection and not yet confirmed by a packet from it: the newest so many."""


class Wire(Protocol):
    """What is needed of the Engine.IO session under a socket."""

    packets_in: int
    last_packet: float

    def probe(self, timeout: float, done: Callable[[bool], None]) -> None:
        """Asks the client for a sign of life."""


class Phone(Protocol):
    """What is needed of a Socket.IO socket."""

    id: str

    @property
    def session(self) -> Wire:
        """Its Engine.IO session."""

    def send(self, packet: bytes) -> None:
        """Writes an encoded packet."""

    def close(self, reason: str = "") -> None:
        """Closes the transport, so that the client reconnects."""


class Connection:
    """One accepted socket of one device, and what was told on it that nothing shows to have arrived.

    `since` is the loop's time of its CONNECT; `bearer` its token, in memory only. `shown` is how the backend spells
    the user.
    """

    __slots__ = (
        "_said",
        "_said_after",
        "bearer",
        "device",
        "identity",
        "number",
        "rung",
        "shown",
        "since",
        "socket",
        "user",
    )

    def __init__(
        self, identity: Identity, device: DeviceId, socket: Phone, since: float, bearer: str | None = None
    ) -> None:
        self.identity = identity
        self.user = identity.user
        self.shown = identity.id
        self.device = device
        self.socket = socket
        self.since = since
        self.bearer = bearer
        self.number = 0
        self.rung: tuple[CallId, ...] = ()
        self._said: list[tuple[CallId, str]] = _NOTHING
        self._said_after = -1

    def say(self, call: CallId, what: str, packets: tuple[bytes, ...]) -> None:
        """Writes packets, and notes that nothing has been heard since: first, for writing may close the connection."""
        heard = self.socket.session.packets_in
        if heard != self._said_after:
            self._said_after = heard
            self._said = []
        self._said.append((call, what))
        if len(self._said) > UNCONFIRMED:
            del self._said[0]
        for packet in packets:
            self.socket.send(packet)

    def just_said(self, call: CallId, what: str) -> bool:
        """Whether this was told last, and nothing came from the client since."""
        return (call, what) in self._said and self.socket.session.packets_in == self._said_after

    def begin_to_ring(self, call: CallId) -> bool:
        """Notes that a call rings here; False if it did before."""
        if call in self.rung:
            return False
        self.rung = (*self.rung[1 - RUNG :], call)
        return True

    def stop_ringing(self, call: CallId) -> None:
        """Forgets that a call rang here."""
        if call in self.rung:
            self.rung = tuple([each for each in self.rung if each != call])

    def unheard(self) -> list[tuple[CallId, str]]:
        """Takes out what was told of which call and never followed by a packet from the client."""
        said = self._said if self.socket.session.packets_in == self._said_after else _NOTHING
        self._said, self._said_after = _NOTHING, -1
        return said


_NOTHING: Final[list[tuple[CallId, str]]] = []
"""Shared by the connections on which nothing was said; never added to."""


class _Here:
    """Where a user is: his live sockets, oldest first, and the devices that they belong to."""

    __slots__ = ("connections", "devices")

    def __init__(self, connection: Connection) -> None:
        self.connections = [connection]
        self.devices: tuple[DeviceId, ...] = (connection.device,)

    def changed(self) -> None:
        """Takes note that the sockets are others now."""
        self.devices = tuple(dict.fromkeys([connection.device for connection in self.connections]))


class _Seen:
    """What stays known of a user who left."""

    __slots__ = ("last_seen", "shown")

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.last_seen: Millis | None = None


class NodeSockets:
    """Directory and bus of one node. `delivered` hears which connections each delivery was written to."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._users: dict[UserId, _Here] = {}
        self._seen: OrderedDict[UserId, _Seen] = OrderedDict()
        self._numbers = 0
        self.connection_count = 0
        self.delivered: Callable[[Delivery, list[Connection]], None] = _nobody_listens

    # ------------------------------------------------------------ coming and going

    def has_room(self, user: UserId) -> bool:
        """Whether another socket of this user is taken."""
        here = self._users.get(user)
        return here is None or len(here.connections) < SOCKETS_PER_USER

    def add(self, connection: Connection) -> bool:
        """Takes a new socket; True if the user had none."""
        self._numbers += 1
        connection.number = self._numbers
        self.connection_count += 1
        user = connection.user
        self._see(user, connection.identity.id)
        here = self._users.get(user)
        if here is None:
            self._users[user] = _Here(connection)
            return True
        here.connections.append(connection)
        here.changed()
        return False

    def remove(self, connection: Connection) -> bool:
        """Drops a socket that closed; True if it was the user's last. A socket that is not there is no error."""
        user = connection.user
        here = self._users.get(user)
        if here is None or connection not in here.connections:
            return False
        here.connections.remove(connection)
        self.connection_count -= 1
        if here.connections:
            here.changed()
            return False
        del self._users[user]
        self._see(user, connection.identity.id).last_seen = self._clock.wall()
        return True

    def _see(self, user: UserId, shown: str) -> _Seen:
        seen = self._seen.get(user)
        if seen is None:
            seen = self._seen[user] = _Seen(shown)
            if len(self._seen) > USERS_SEEN:
                self._seen.popitem(last=False)
        else:
            seen.shown = shown
            self._seen.move_to_end(user)
        return seen

    # ------------------------------------------------------------ Directory

    def devices(self, user: UserId) -> tuple[DeviceId, ...]:
        """The devices of a user that have a live socket."""
        here = self._users.get(user)
        return here.devices if here is not None else ()

    def online(self, user: UserId) -> bool:
        """Whether a user has a live socket."""
        return user in self._users

    def users(self) -> Collection[UserId]:
        """The users who are online."""
        return self._users.keys()

    @property
    def user_count(self) -> int:
        """How many users are online."""
        return len(self._users)

    def connections(self, user: UserId) -> tuple[Connection, ...]:
        """A user's live sockets, newest first."""
        here = self._users.get(user)
        return tuple(here.connections[::-1]) if here is not None else ()

    def of_device(self, user: UserId, device: DeviceId) -> list[Connection]:
        """The live sockets of one device, newest first."""
        return [each for each in self.connections(user) if each.device == device]

    def shown(self, user: UserId) -> str | None:
        """The backend's spelling of a user's id, if he was seen lately."""
        here = self._users.get(user)
        if here is not None:
            return here.connections[-1].shown
        seen = self._seen.get(user)
        return seen.shown if seen else None

    def last_seen(self, user: UserId) -> Millis | None:
        """When the last socket of a user closed (ms); None while he is online or when it is not remembered."""
        seen = self._seen.get(user)
        return seen.last_seen if seen and user not in self._users else None

    # ------------------------------------------------------------ Bus

    def send(self, delivery: Delivery) -> None:
        """Writes a delivery to the newest live socket of each device; done when it returns."""
        here = self._users.get(delivery.user)
        if here is None:
            return
        connections = here.connections
        if len(connections) > 1:
            connections = _in_turn(connections, delivery.socket)
        written: list[Connection] = []
        for device in delivery.devices:
            connection = _addressed(delivery, connections, device)
            if connection is not None:
                connection.say(delivery.call, delivery.what, delivery.packets)
                written.append(connection)
        if written:
            self.delivered(delivery, written)


def _addressed(delivery: Delivery, connections: list[Connection], device: DeviceId) -> Connection | None:
    """The one to write to of a user's sockets. A call rings once on a socket, and is stopped once, where it rings."""
    call, what, ringing = delivery.call, delivery.what, delivery.ringing
    for connection in connections:
        if connection.device != device:
            continue
        if what == "call:incoming":
            return connection if connection.begin_to_ring(call) else None
        if what == "call:accepted" and connection.just_said(call, what):
            return None  # a device that came while the accept was being kept is told by both
        if ringing is None or device in ringing or call in connection.rung:
            if what == "call:ended":
                connection.stop_ringing(call)
            return connection
    return None


def _in_turn(connections: list[Connection], first: str) -> list[Connection]:
    """Returns sockets as they are to be tried: the one asked for, then the newest first."""
    newest_first = connections[::-1]
    if first:
        newest_first.sort(key=lambda connection: connection.socket.id != first)
    return newest_first


def _nobody_listens(delivery: Delivery, connections: list[Connection]) -> None:
    """Until a switchboard listens."""
