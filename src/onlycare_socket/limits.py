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

STEP: Final = 5.0
"""Seconds whose events are counted together."""
STEPS: Final = 13
"""A minute of them, and the one that has begun."""
REMEMBERED: Final = STEP * STEPS
"""Seconds after which no event counts any more."""
MOST_ADDRESSES: Final = 20_000


class EventBudget:
    """So many events a minute per user: never more of them pass within any 60 s.

    Events are counted in steps of `STEP` s, and a step counts until all of it is a minute old. So the budget errs to
    one side only, and by a step: an event is forgotten 60 to 65 s after it came. In return a user costs the same few
    bytes and comparisons whatever the limit is.
    Users idle for some two minutes are forgotten a whole generation at once, so no sweep is needed.
    """

    __slots__ = ("_earlier", "_per_minute", "_recent", "_turn", "refused")

    def __init__(self, per_minute: int) -> None:
        """`per_minute` 0 turns the budget off."""
        self.refused = 0
        self._per_minute = per_minute
        self._recent: dict[str, _Minute] = {}
        self._earlier: dict[str, _Minute] = {}
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
        minute = self._recent.get(user)
        if minute is None:
            minute = self._recent[user] = self._earlier.pop(user) if user in self._earlier else _Minute()
        step = int(now / STEP)
        if step != minute.step:
            minute.move_to(step)
        if minute.events >= self._per_minute and not forced:
            self.refused += 1
            return False
        minute.events += 1
        minute.in_step += 1
        return True

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._recent) + len(self._earlier)

    def _forget_idle(self, now: float) -> None:
        """Drops the users without an event since the turn before: what they sent counts no more."""
        long_idle = now - self._turn >= REMEMBERED
        self._earlier = {} if long_idle else self._recent
        self._recent = {}
        self._turn = now + REMEMBERED


class _Minute:
    """What one user sent within the last minute, by steps."""

    __slots__ = ("_steps", "events", "in_step", "step")

    def __init__(self) -> None:
        self.step = 0
        """The step that is being counted."""
        self.in_step = 0
        """Events in it."""
        self.events = 0
        """Events in it and in all earlier steps that still count."""
        self._steps = array("L", [0] * STEPS)
        """Events in the earlier ones: those of step n at n modulo `STEPS`."""

    def move_to(self, step: int) -> None:
        """Begin a new step, and forget those that are a minute old."""
        steps = self._steps
        steps[self.step % STEPS] = self.in_step
        for begun in range(self.step + 1, min(step, self.step + STEPS) + 1):
            self.events -= steps[begun % STEPS]
            steps[begun % STEPS] = 0
        self.step, self.in_step = step, 0


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
