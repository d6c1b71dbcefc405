"""Who is told that a user came online or went offline (contract section 5).

- `user:online` at a user's first socket; `user:offline` 5 s after the last one closed, if none came back. Who comes
  back within these 5 s was never offline: nobody is told anything.
- So it is across a restart: who is online as others know stands among the facts that the next process is given, and
  has 5 s from its start.
- `all`: everybody is told while at most `limit` users are online, above that only those who watch. `watched`: only
  those. `off`: nobody.
- A watch list belongs to a device and lives as long as it has a socket; each new list replaces the former one.

What is sent is encoded once, and goes to the newest live socket of each device.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog

from onlycare_socket.calls.ids import DeviceId, UserId, canonical_user
from onlycare_socket.calls.messages import UserOffline, UserOnline
from onlycare_socket.clock import Clock
from onlycare_socket.ports import Facts
from onlycare_socket.sockets import Connection, NodeSockets
from onlycare_socket.wire.socketio import event_packet

OFFLINE_AFTER = 5.0
"""Seconds without a socket after which a user is offline."""
MAX_WATCHED = 500
"""Users that one device may watch."""
MAX_WATCHES = 1_000_000
"""Watches of all devices together: some 100 MB at the worst."""
CALM = 0.9
"""The warning about many users may come again once fewer than this part of the limit were online."""

ONLINE = "online"
"""The kind of fact that a user is online, by his canonical id: how the backend spells it."""

log = structlog.get_logger(__name__)

Broadcast = Callable[[Iterable[Any], bytes], None]
"""Sends one packet to many sockets: to thousands the very same bytes, not a copy for each."""

Watcher = tuple[UserId, DeviceId]


class TooManyWatches(Exception):
    """The server watches as much as it can remember."""


class Watches:
    """Who watches whom: an index both ways. Bounded by `most` entries in all."""

    def __init__(self, most: int = MAX_WATCHES) -> None:
        self._most = most
        self._count = 0
        self._watched: dict[Watcher, frozenset[UserId]] = {}
        self._watchers: dict[UserId, set[Watcher]] = {}

    def replace(self, watcher: Watcher, users: frozenset[UserId]) -> None:
        """Makes `users` the list of a device. Raises TooManyWatches, and then leaves the former list as it was."""
        former = self._watched.get(watcher, frozenset())
        if self._count - len(former) + len(users) > self._most:
            raise TooManyWatches
        self.drop(watcher)
        if not users:
            return
        self._watched[watcher] = users
        self._count += len(users)
        for user in users:
            self._watchers.setdefault(user, set()).add(watcher)

    def drop(self, watcher: Watcher) -> None:
        """Forgets the list of a device."""
        for user in self._watched.pop(watcher, ()):
            self._count -= 1
            watchers = self._watchers[user]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[user]

    def of(self, user: UserId) -> frozenset[Watcher]:
        """Returns the devices that watch a user."""
        return frozenset(self._watchers.get(user, ()))

    def __len__(self) -> int:
        """How many entries there are."""
        return self._count


class Presence:
    """Tells who came and went. `start` before anybody comes; `sweep` is to be called a few times a second."""

    def __init__(
        self,
        *,
        sockets: NodeSockets,
        broadcast: Broadcast,
        scope: str,
        limit: int,
        clock: Clock,
        facts: Facts,
        watches: Watches | None = None,
    ) -> None:
        self._sockets = sockets
        self._broadcast = broadcast
        self._scope = scope
        self._limit = limit
        self._clock = clock
        self._facts = facts
        self.watches = watches if watches is not None else Watches()
        self._leaving: OrderedDict[UserId, tuple[float, str]] = OrderedDict()
        self._warned = False
        self.told_online = 0
        self.told_offline = 0

    @property
    def narrowed(self) -> bool:
        """Whether so many users are online that only those who watch are told."""
        return self._scope == "all" and self._sockets.user_count > self._limit

    @property
    def watch_count(self) -> int:
        """How many users are watched, counted once per watching device."""
        return len(self.watches)

    def start(self) -> None:
        """Waits for those who were online when a former process ended."""
        due = self._clock.monotonic() + OFFLINE_AFTER
        for user, shown in self._facts.former(ONLINE).items():
            self._leaving[UserId(user)] = (due, shown.decode(errors="replace"))

    def came(self, connection: Connection) -> None:
        """A user's first socket is here."""
        identity = connection.identity
        self._watch_the_limit()
        if self._leaving.pop(identity.user, None) is None:
            self.told_online += 1
            self._facts.keep(ONLINE, identity.user, identity.id.encode(errors="replace"))
            self._tell(identity.user, UserOnline(user_id=identity.id, timestamp=self._clock.wall()))

    def went(self, connection: Connection, *, last: bool) -> None:
        """A socket closed; `last`: it was the user's last one."""
        identity = connection.identity
        if not self._sockets.of_device(identity.user, connection.device):
            self.watches.drop((identity.user, connection.device))
        if last:
            self._leaving[identity.user] = (self._clock.monotonic() + OFFLINE_AFTER, identity.id)
            self._leaving.move_to_end(identity.user)

    def sweep(self) -> None:
        """Tells of those who did not come back in time."""
        now = self._clock.monotonic()
        while self._leaving:
            user, (due, shown) = next(iter(self._leaving.items()))
            if due > now:
                return
            del self._leaving[user]
            self.told_offline += 1
            self._facts.drop(ONLINE, user)
            self._tell(user, UserOffline(user_id=shown, timestamp=self._clock.wall()))

    def watch(self, connection: Connection, user_ids: list[str]) -> dict[str, bool]:
        """Makes these the users that a device hears of, and says which are online. Raises TooManyWatches.

        So is who left less than 5 s ago: nobody is told when he comes back, and everybody if he does not.
        """
        users = {written: canonical_user(written) for written in user_ids}
        self.watches.replace((connection.identity.user, connection.device), frozenset(users.values()))
        return {written: self._sockets.online(user) or user in self._leaving for written, user in users.items()}

    def _tell(self, user: UserId, event: UserOnline | UserOffline) -> None:
        if self._scope == "off":
            return
        wide = self._scope == "all" and not self.narrowed
        audience = self._everybody_but(user) if wide else self._watchers_of(user)
        self._broadcast((connection.socket for connection in audience), event_packet(event.name, event))

    def _everybody_but(self, user: UserId) -> Iterator[Connection]:
        for other in list(self._sockets.users()):
            if other == user:
                continue
            connections = self._sockets.connections(other)
            if len(connections) == 1:
                yield connections[0]
            else:
                yield from {each.device: each for each in reversed(connections)}.values()

    def _watchers_of(self, user: UserId) -> Iterator[Connection]:
        for watcher, device in self.watches.of(user):
            yield from self._sockets.of_device(watcher, device)[:1]

    def _watch_the_limit(self) -> None:
        """Warns once when `all` becomes `watched`, and again only after it was calm in between."""
        if self._sockets.user_count < self._limit * CALM:
            self._warned = False
        elif self.narrowed and not self._warned:
            self._warned = True
            log.warning(
                "more users are online than everybody is told of: only those who watch are told from now on",
                limit=self._limit,
            )
