"""The `CallLog` on a SQLite store: what memory has from there, the rest from the file.

What it tells is in the file, or nobody hears it before it is: a state that the next process does not know is told to
nobody.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from onlycare_socket.adapters.memory import KEEP_ENDED, RECENT, MemoryCallLog
from onlycare_socket.adapters.sqlite import SqliteCallStore
from onlycare_socket.adapters.sqlite_reading import read_ended_of, read_steps
from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.ids import CallId, Millis, UserId
from onlycare_socket.clock import Clock

NO_CALLS: Final[list[Call]] = []
NO_STEPS: Final[tuple[Step, ...]] = ()


class SqliteCallLog:
    """Reads a `SqliteCallStore`."""

    def __init__(self, store: SqliteCallStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._memory = MemoryCallLog(store.memory)

    def of_user(
        self, user: UserId, limit: int, done: Callable[[tuple[Call, ...]], None], since: Millis | None = None
    ) -> None:
        """A user's calls, newest first; the file is asked only when memory has forgotten some that are asked for."""
        in_memory: list[tuple[Call, ...]] = []
        self._memory.of_user(user, limit, in_memory.append, since)
        (calls,) = in_memory
        oldest = max(since or 0, self._clock.wall() - KEEP_ENDED)
        if len(calls) >= limit or (len(calls) < RECENT and not self._store.memory.forgot_since(Millis(oldest))):
            self._store.once_kept(partial(done, calls))
            return

        def merged(in_file: list[Call]) -> None:
            known = {call.id for call in calls}
            done((*calls, *(call for call in in_file if call.id not in known))[:limit])

        read = partial(read_ended_of, user=user, oldest=oldest, limit=limit)
        self._store.once_written(partial(self._store.reader.ask, read, NO_CALLS, merged))

    def recent(self, limit: int, done: Callable[[tuple[Call, ...]], None]) -> None:
        """Live calls, then ended ones, newest first: those in memory."""
        self._memory.recent(limit, lambda calls: self._store.once_kept(partial(done, calls)))

    def timeline(self, call: CallId, done: Callable[[tuple[Step, ...]], None]) -> None:
        """The steps of a call in order; of calls that ended long ago, and of former processes, from the file."""
        in_memory: list[tuple[Step, ...]] = []
        self._memory.timeline(call, in_memory.append)
        if in_memory[0]:
            self._store.once_kept(partial(done, in_memory[0]))
        else:
            self._store.once_written(partial(self._store.reader.ask, partial(read_steps, call=call), NO_STEPS, done))

    def live(self, done: Callable[[tuple[CallId, ...]], None]) -> None:
        """The ids of all live calls."""
        self._memory.live(done)

    def live_count(self) -> int:
        """How many calls are live."""
        return self._memory.live_count()
