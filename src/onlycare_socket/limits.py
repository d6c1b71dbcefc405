"""Budgets: how much one user or one client address may ask of the server.

Pure: the caller passes the time, in seconds of a monotonic clock; nothing here sleeps, logs or keeps a timer.
Nothing grows without bound: users are forgotten when idle, addresses when many newer ones came.

Addresses: thousands of phones share one carrier address, so limits on an address are wide, and failed
authentications only slow what it has given reason for. An IPv6 client owns a whole /64 and counts by it. A
trusted proxy is never limited itself: its address means that the real client is not known.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network

MINUTE: Final = 60.0
MOST_ADDRESSES: Final = 20_000


class EventBudget:
    """So many events a minute per user, exactly: the next within any 60 s is refused, none before it.

    The times of a user's newest events stand in a ring that grows to `per_minute` slots of 8 bytes; an event
    passes when the oldest of a full ring is a minute old. One look-up and one comparison an event.
    Users idle for one to two minutes are forgotten a whole generation at once, so no sweep is needed.
    """

    __slots__ = ("_earlier", "_per_minute", "_recent", "_turn", "refused")

    def __init__(self, per_minute: int) -> None:
        """`per_minute` 0 turns the budget off."""
        self.refused = 0
        self._per_minute = per_minute
        self._recent: dict[str, _Ring] = {}
        self._earlier: dict[str, _Ring] = {}
        self._turn = 0.0

    def allow(self, user: str, now: float, *, forced: bool = False) -> bool:
        """Counts one event of a user and says whether it may pass.

        A `forced` event (reject, cancel, end, ringing, sync) counts but always passes; a refused one does not
        count.
        """
        if not self._per_minute:
            return True
        if now >= self._turn:
            self._forget_idle(now)
        ring = self._recent.get(user)
        if ring is None:
            ring = self._recent[user] = self._earlier.pop(user) if user in self._earlier else _Ring()
        times = ring.times
        if len(times) < self._per_minute:
            times.append(now)
            return True
        oldest = ring.oldest
        if not forced and now - times[oldest] < MINUTE:
            self.refused += 1
            return False
        times[oldest] = now
        ring.oldest = oldest + 1 if oldest + 1 < self._per_minute else 0
        return True

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._recent) + len(self._earlier)

    def _forget_idle(self, now: float) -> None:
        """Drops the users without an event since the turn before: their times are all a minute old."""
        long_idle = now - self._turn >= MINUTE
        self._earlier = {} if long_idle else self._recent
        self._recent = {}
        self._turn = now + MINUTE


class _Ring:
    __slots__ = ("oldest", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.oldest = 0
        """Where the oldest time stands once the ring is full."""


class FailedAuthDelay:
    """How long an unknown token of an address waits, growing with the recent failures of that address.

    The first `free` failures cost nothing; then the wait doubles with each, from `first` s to `most` s. One
    failure is forgiven every `forgiven_after` s. A token known to be good never waits: ask for unknown ones only.
    """

    def __init__(
        self,
        trusted: Sequence[Network] = (),
        *,
        free: int = 10,
        first: float = 0.25,
        most: float = 3.0,
        forgiven_after: float = 10.0,
        remembered: int = MOST_ADDRESSES,
    ) -> None:
        self._trusted = tuple(trusted)
        self._free = free
        self._first = first
        self._most = most
        self._forgiven_after = forgiven_after
        self._levels = _Levels(remembered)

    def failed(self, address: str, now: float) -> None:
        """Counts one failed authentication of an address."""
        key = counted_as(address, self._trusted)
        if key is not None:
            # Ten failures too many are as good as a million: forgiveness must not take forever.
            level = min(self._level(key, now) + 1, self._free + 10.0)
            self._levels.put(key, level, now)

    def wait(self, address: str, now: float) -> float:
        """Returns the seconds an unknown token of this address is to wait before the backend is asked."""
        key = counted_as(address, self._trusted)
        over = 0.0 if key is None else self._level(key, now) - self._free
        return 0.0 if over <= 0 else min(self._most, self._first * 2.0 ** (over - 1))

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._levels)

    def _level(self, key: str, now: float) -> float:
        level, at = self._levels.get(key, now)
        return max(0.0, level - (now - at) / self._forgiven_after)


class ConnectBudget:
    """Connects per client address: `burst` at once, then `per_second`; a token bucket.

    The burst is large because all phones behind one carrier address come back together after a restart.
    """

    def __init__(
        self,
        trusted: Sequence[Network] = (),
        *,
        per_second: float = 50.0,
        burst: int = 2_000,
        remembered: int = MOST_ADDRESSES,
    ) -> None:
        """`per_second` 0 turns the budget off."""
        self.refused = 0
        self._trusted = tuple(trusted)
        self._per_second = per_second
        self._burst = burst
        self._spent = _Levels(remembered)

    def allow(self, address: str, now: float) -> bool:
        """Counts one connect of an address and says whether it may pass. A refused one does not count."""
        key = counted_as(address, self._trusted) if self._per_second else None
        if key is None:
            return True
        level, at = self._spent.get(key, now)
        spent = max(0.0, level - (now - at) * self._per_second)
        if spent + 1 > self._burst:
            self.refused += 1
            return False
        self._spent.put(key, spent + 1, now)
        return True

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._spent)


class _Levels:
    """A level per address and the time it was true; the address written longest ago is dropped first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def get(self, key: str, now: float) -> tuple[float, float]:
        return self._levels.get(key, (0.0, now))

    def put(self, key: str, level: float, now: float) -> None:
        self._levels[key] = (level, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)

    def __len__(self) -> int:
        return len(self._levels)


@lru_cache(4096)
def counted_as(address: str, trusted: tuple[Network, ...] = ()) -> str | None:
    """Returns the name an address counts under: itself, its /64 for IPv6, or None when it is not limited.

    Not limited are trusted proxies and what is no address (a socket that is gone has none).
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in trusted):
        return None
    if isinstance(ip, IPv6Address):
        return f"{IPv6Address(int(ip) >> 64 << 64)}/64"
    return str(ip)
