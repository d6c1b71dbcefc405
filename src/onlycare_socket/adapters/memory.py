"""Calls in the memory of one process: the store of tests and development. Nothing survives the process.

Bounds: `ended_calls` ended calls (oldest dropped first) for 24 hours, timelines of the newest `ENDED_TIMELINES` of
them, `kept.MAX_STEPS` steps a call, `RECENT` calls a user, `EARLY_PER_USER` remembered commands a user.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from onlycare_socket.adapters.kept import Kept
from onlycare_socket.adapters.timers import Timers
from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.decision import Decide, Decision, Note, View
from onlycare_socket.calls.ids import CallId, Millis, UserId
from onlycare_socket.calls.parts import same_deadlines
from onlycare_socket.calls.records import replace
from onlycare_socket.calls.states import DeadlineKind, EarlyKind
from onlycare_socket.clock import Clock
from onlycare_socket.ports import StoreUnavailable

KEEP_ENDED = 24 * 3_600_000
"""ms that an ended call stays readable (design section 3)."""
ENDED_TIMELINES = 2_000
UNPACKED = 1_000
"""Ended calls that stay as they are: those that ended last, or were changed last. Most are changed once more, when
their parties were told: by a store that writes first only when hundreds of others have ended.
"""
RECENT = 20
EARLY_PER_USER = 20

NOBODY_LIVE: Mapping[UserId, Call] = MappingProxyType({})

_Waiting = tuple[CallId | None, tuple[UserId, ...], Decide, Callable[[Decision | StoreUnavailable], object]]


class MemoryCallStore:
    """A `CallStore` that decides at once; `done` has run when `transact` returns, unless it is inside another."""

    def __init__(self, clock: Clock, ended_calls: int = 20_000) -> None:
        self._clock = clock
        self._ended_calls = ended_calls
        self._timelines = min(ENDED_TIMELINES, ended_calls)
        self._kept: dict[CallId, Kept] = {}
        self._live: dict[UserId, Kept] = {}
        self._live_calls: dict[CallId, Kept] = {}
        self._ended: deque[Kept] = deque()
        self._with_timeline: deque[Kept] = deque()
        self._unpacked: deque[Kept] = deque()
        self._of_user: dict[UserId, deque[CallId]] = {}
        self._early = EarlyCommands()
        self._timers = Timers(clock.monotonic())
        self._waiting: deque[_Waiting] = deque()
        self._deciding = False
        self._forgotten: Millis = Millis(0)

    # ------------------------------------------------------------ CallStore

    def transact(
        self,
        call: CallId | None,
        users: tuple[UserId, ...],
        decide: Decide,
        done: Callable[[Decision | StoreUnavailable], object],
    ) -> None:
        """Decides now, or behind the transaction in whose `done` this was begun."""
        if self._deciding:
            self._waiting.append((call, users, decide, done))
            return
        self._deciding = True
        failure: Exception | None = None
        try:
            self._transact(call, users, decide, done)
        except Exception as error:  # noqa: BLE001 - what waits behind it must not wait for the next command
            failure = error
        while self._waiting:
            try:
                self._transact(*self._waiting.popleft())
            except Exception as error:  # noqa: BLE001
                failure = failure or error
        self._deciding = False
        if failure is not None:
            raise failure

    def note(self, call: CallId, note: Note) -> None:
        """Adds to the call at once."""
        self.noted(call, note)

    def noted(self, call: CallId, note: Note) -> tuple[Call, Step] | None:
        """Adds to the call at once, and returns how it is now, and what was added; None if nothing was."""
        kept = self._look_up(call)
        noted = note(self._clock.wall(), kept.call) if kept is not None else None
        if kept is not None and noted is not None:
            changed, step = noted
            self._open(kept)
            kept.change(changed)
            kept.log(step)
        return noted

    def due(self, limit: int, each: Callable[[CallId, DeadlineKind], None]) -> None:
        """Names deadlines that have passed, and forgets what was kept long enough."""
        for call, kind in self._timers.due(self._clock.monotonic(), limit):
            each(call, kind)
        self._early.forget(self._clock.wall())
        self._forget_ended(limit)

    def find(self, call: CallId, done: Callable[[Call | None], None]) -> None:
        """Looks up one call; `done` has run when this returns."""
        kept = self._kept.get(call)
        done(kept.call if kept is not None else None)

    # ------------------------------------------------------------ for MemoryCallLog

    @property
    def live_calls(self) -> int:
        """How many calls are live."""
        return len(self._live_calls)

    def calls_of(self, user: UserId, since: Millis | None = None) -> Iterator[Call]:
        """A user's live call, then his ended ones that are kept, and did not end before `since`, newest first."""
        live = self._live.get(user)
        if live is not None:
            yield live.call
        # An id that was forgotten and dialled again stands there twice.
        for id_ in dict.fromkeys(reversed(self._of_user.get(user, ()))):
            kept = self._kept.get(id_)
            if kept is None or kept is live:
                continue
            if since is None or kept.ended is None or kept.ended >= since:
                yield kept.call

    def newest(self) -> Iterator[Call]:
        """Live calls, then ended ones, newest first."""
        yield from [kept.call for kept in reversed(self._live_calls.values())]
        for kept in reversed(self._ended):
            yield kept.call  # one at a time: it may have to be unpacked

    def steps_of(self, call: CallId) -> tuple[Step, ...]:
        """The timeline of a call, empty when it is not kept."""
        kept = self._kept.get(call)
        return kept.steps() if kept is not None else ()

    # ------------------------------------------------------------ for a store that shadows this one

    def restore(self, call: Call, steps: list[Step]) -> None:
        """Takes up a call of a former process: ended ones, the newest last and without steps; then live ones."""
        kept = self._kept[call.id] = Kept(call, steps)
        self._register(kept)
        if call.ended is None:
            self._timers.set(call, self._clock.wall(), self._clock.monotonic())
        else:
            del self._live_calls[kept.id]
            self._ended.append(kept)
            kept.drop_steps()
            kept.pack()

    def remember(self, commands: Iterable[Early], left_out: Millis | None) -> None:
        """Takes up commands that overtook their initiate in a former process.

        `left_out`: when the newest of those calls ended that were too many to be taken up.
        """
        for early in commands:
            self._early.keep(early)
        self._forgotten = max(self._forgotten, left_out or Millis(0))

    def keeps(self, call: CallId) -> bool:
        """Says whether a call is kept."""
        return call in self._kept

    def live(self) -> Iterator[Call]:
        """Returns every live call."""
        return (kept.call for kept in self._live_calls.values())

    def live_ids(self) -> tuple[CallId, ...]:
        """Returns the id of every live call."""
        return tuple(self._live_calls)

    def forgot_since(self, time: Millis) -> bool:
        """Says whether calls that ended then or later were dropped because there were too many."""
        return self._forgotten >= time

    # ------------------------------------------------------------ keeping

    def _transact(
        self,
        call: CallId | None,
        users: tuple[UserId, ...],
        decide: Decide,
        done: Callable[[Decision | StoreUnavailable], object],
    ) -> None:
        now = self._clock.wall()
        live = {user: self._live[user].call for user in users if user in self._live} if users else NOBODY_LIVE
        kept = self._look_up(call) if call is not None else None
        if kept is None:
            decision = decide(View(now, None, live, self._early.of(call)))
        else:
            decision = decide(View(now, kept.call, live))
        for changed in decision.calls:
            kept = self._keep(changed, now)
        for early in decision.early:
            self._early.keep(early)
        for id_, step in decision.steps:
            if kept is None or kept.id != id_:
                kept = self._look_up(id_)
            if kept is not None:
                self._open(kept)
                kept.log(step)
        done(decision)

    def _look_up(self, call: CallId) -> Kept | None:
        """Returns a call. The live ones are asked for most, and there are few of them."""
        kept = self._live_calls.get(call)
        return kept if kept is not None else self._kept.get(call)

    def _keep(self, call: Call, now: Millis) -> Kept:
        kept = self._kept.get(call.id)
        if kept is None:
            kept = self._kept[call.id] = Kept(call)
            self._register(kept)
            if call.ended is None:
                self._timers.set(call, now, self._clock.monotonic())
            else:
                self._end(kept)
            return kept
        self._open(kept)
        before = kept.call
        kept.change(call)
        if call.ended is None:
            if not same_deadlines(call, before):
                self._timers.set(call, now, self._clock.monotonic())
                # The call of his that this user was found by may have ended just now (`calls/audit.py`).
                self._live.setdefault(kept.caller, kept)
                self._live.setdefault(kept.receiver, kept)
        elif before.ended is None:
            self._timers.drop(call.id)
            self._end(kept)
        return kept

    def _register(self, kept: Kept) -> None:
        self._live_calls[kept.id] = kept
        for user in (kept.caller, kept.receiver):
            recent = self._of_user.get(user)
            if recent is None:
                recent = self._of_user[user] = deque(maxlen=RECENT)
            recent.append(kept.id)
            if kept.ended is None:
                self._live[user] = kept

    def _end(self, kept: Kept) -> None:
        del self._live_calls[kept.id]
        for user in (kept.caller, kept.receiver):
            if self._live.get(user) is kept:
                del self._live[user]
        self._ended.append(kept)
        self._with_timeline.append(kept)
        self._stays_open(kept)
        if len(self._with_timeline) > self._timelines:
            self._with_timeline.popleft().drop_steps()
        if len(self._ended) > self._ended_calls:
            dropped = self._ended.popleft()
            self._forgotten = max(self._forgotten, dropped.ended or Millis(0))
            self._forget(dropped)

    def _open(self, kept: Kept) -> None:
        """Makes a call changeable that has ended long ago."""
        if kept.packed:
            kept.unpack()
            self._stays_open(kept)

    def _stays_open(self, kept: Kept) -> None:
        """Packs another ended call in place of this one."""
        self._unpacked.append(kept)
        if len(self._unpacked) > UNPACKED:
            self._unpacked.popleft().pack()

    def _forget_ended(self, limit: int) -> None:
        oldest = self._clock.wall() - KEEP_ENDED
        while self._ended and limit > 0:
            if (self._ended[0].ended or 0) > oldest:
                break
            self._forget(self._ended.popleft())
            limit -= 1

    def _forget(self, kept: Kept) -> None:
        del self._kept[kept.id]
        for user in (kept.caller, kept.receiver):
            recent = self._of_user.get(user)
            # The newest first: while that one is kept, nothing need be done.
            if recent is not None and recent[-1] not in self._kept and not any(id_ in self._kept for id_ in recent):
                del self._of_user[user]


_Id = TypeVar("_Id", CallId, UserId)
_EarlyKey = tuple[CallId, UserId, EarlyKind, UserId | None, UserId | None]


class EarlyCommands:
    """Commands that overtook their initiate, at most `EARLY_PER_USER` a user: the oldest gives way.

    One that is repeated stays as it was first said, and is kept from now on anew.
    """

    def __init__(self) -> None:
        self._kept: dict[_EarlyKey, Early] = {}
        self._of_call: dict[CallId, dict[_EarlyKey, None]] = {}
        self._of_user: dict[UserId, dict[_EarlyKey, None]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, call: CallId | None) -> tuple[Early, ...]:
        """What is remembered of a call, oldest first."""
        keys = self._of_call.get(call) if call is not None else None
        return tuple(self._kept[key] for key in keys) if keys else ()

    def keep(self, early: Early) -> None:
        """Remembers a command."""
        key = (early.call, early.user, early.kind, early.caller, early.receiver)
        before = self._kept.get(key)
        if before is not None:
            early = replace(before, until=early.until)
            self._drop(key)
        mine = self._of_user.setdefault(early.user, {})
        if len(mine) >= EARLY_PER_USER:
            self._drop(next(iter(mine)))
        mine[key] = None
        self._kept[key] = early
        self._of_call.setdefault(early.call, {})[key] = None

    def forget(self, now: int) -> None:
        """Drops what is too old."""
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if oldest.until > now:
                return
            self._drop(key)

    def _drop(self, key: _EarlyKey) -> None:
        early = self._kept.pop(key)
        _discard(self._of_call, early.call, key)
        _discard(self._of_user, early.user, key)


def _discard(index: dict[_Id, dict[_EarlyKey, None]], name: _Id, key: _EarlyKey) -> None:
    keys = index[name]
    del keys[key]
    if not keys:
        del index[name]


class MemoryCallLog:
    """A `CallLog` on a `MemoryCallStore`; never behind it."""

    def __init__(self, store: MemoryCallStore) -> None:
        self._store = store

    def of_user(
        self, user: UserId, limit: int, done: Callable[[tuple[Call, ...]], None], since: Millis | None = None
    ) -> None:
        """A user's calls, newest first."""
        done(tuple(call for _, call in zip(range(limit), self._store.calls_of(user, since), strict=False)))

    def recent(self, limit: int, done: Callable[[tuple[Call, ...]], None]) -> None:
        """Live calls, then ended ones, newest first."""
        done(tuple(call for _, call in zip(range(limit), self._store.newest(), strict=False)))

    def timeline(self, call: CallId, done: Callable[[tuple[Step, ...]], None]) -> None:
        """The steps of a call in order."""
        done(self._store.steps_of(call))

    def live(self, done: Callable[[tuple[CallId, ...]], None]) -> None:
        """The ids of all live calls."""
        done(self._store.live_ids())

    def live_count(self) -> int:
        """How many calls are live."""
        return self._store.live_calls
