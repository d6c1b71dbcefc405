"""Calls in memory with their shadow in a SQLite file: what anybody was told is there again after kill -9.

While the process lives, its memory is the truth: decisions are made there, at once. What a decision changed goes into
the next commit, together with all that is decided meanwhile, and `done` runs when that commit is made.

A commit that fails makes the store degraded: new calls are refused, live calls go on from memory without the promise,
and every second all live calls are written again, with all else that is missing in the file, until that succeeds.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from msgspec import MsgspecError, msgpack

from onlycare_socket.adapters.memory import KEEP_ENDED, MemoryCallLog, MemoryCallStore
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_unsaved import Unsaved
from onlycare_socket.adapters.sqlite_writer import Writer, close
from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.decision import Decide, Decision, Note, View
from onlycare_socket.calls.ids import CallId, Millis, UserId
from onlycare_socket.calls.states import DeadlineKind
from onlycare_socket.clock import Clock
from onlycare_socket.ports import StoreUnavailable

NOTES_WAIT: Final = 0.05
"""Seconds until notes, which nobody waits for, are committed by themselves."""
RETRY: Final = 1.0
"""Seconds until a failed commit is tried again."""
_FORGET_EVERY: Final = 1_000
"""ms between two commits that forget old calls, too."""

_decode_call: Final = msgpack.Decoder(Call).decode
_decode_early: Final = msgpack.Decoder(Early).decode
_decode_steps: Final = msgpack.Decoder(list[Step]).decode

_T = TypeVar("_T")
_Done = Callable[[Decision | StoreUnavailable], object]
_Waiting = list[tuple[_Done, Decision]]

log = structlog.get_logger(__name__)


class SqliteCallStore:
    """A `CallStore` in one file; `start` before anything else, on the loop that it is used on."""

    def __init__(
        self, file: CallsFile, clock: Clock, restored: Callable[[Millis, Call], Call], ended_calls: int = 20_000
    ) -> None:
        """`restored` returns a live call of a former process as it is to go on from now."""
        self.memory: Final = MemoryCallStore(clock, ended_calls)
        self.file: Final = file
        self.commits = 0
        self.failures = 0
        self._clock = clock
        self._restored = restored
        self._ended_calls = ended_calls
        self.loop: asyncio.AbstractEventLoop
        self._writer: Writer | None = None
        self._number = 1
        self._unsaved = Unsaved()
        self._waiting: _Waiting = []
        self._in_commit: tuple[Unsaved, _Waiting] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flush_is_due = False
        self._telling = False
        self._forgot_at = 0
        self._failure: str | None = None

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Takes up what a former process left. Raises FileInUse, and OSError or sqlite3.Error for no file at all."""
        self.file.hold()
        try:
            self.file.read(self._load)
        except BaseException:
            self.file.release()
            raise
        self.loop = asyncio.get_running_loop()
        self._writer = Writer(self.file.connect, self._written)
        self._writer.start()
        if self._unsaved:
            self._flush_soon()

    async def stop(self) -> None:
        """Commits what waits, and lets the file go."""
        if self._writer is None:
            return
        await self.idle()
        if self._timer is not None:
            self._timer.cancel()
        writer, self._writer = self._writer, None
        await asyncio.to_thread(writer.stop)
        self.file.release()

    async def idle(self) -> None:
        """Returns when all that was decided is committed; at once when the file cannot be written."""
        while (self._in_commit or self._waiting or self._unsaved) and self._failure is None:
            self._flush()
            await asyncio.sleep(0.001)

    @property
    def degraded(self) -> bool:
        """Whether the file cannot be written."""
        return self._failure is not None

    # ------------------------------------------------------------ CallStore

    def transact(self, call: CallId | None, users: tuple[UserId, ...], decide: Decide, done: _Done) -> None:
        """Decides now; `done` runs with the commit of what was decided, and behind those of earlier decisions."""
        if self._failure is not None:
            decide = partial(_without_new_calls, decide)
        self.memory.transact(call, users, decide, partial(self._decided, done))

    def note(self, call: CallId, note: Note) -> None:
        """Adds to the call at once; it is in the file a moment later."""
        self.memory.note(call, partial(self._noted, note))

    def due(self, limit: int, each: Callable[[CallId, DeadlineKind], None]) -> None:
        """Names deadlines that have passed."""
        self.memory.due(limit, each)

    def find(self, call: CallId, done: Callable[[Call | None], None]) -> None:
        """Looks up one call in memory; `done` has run when this returns."""
        self.memory.find(call, done)

    def _decided(self, done: _Done, decision: Decision | StoreUnavailable) -> None:
        if not isinstance(decision, Decision) or decision is _REFUSED:
            done(StoreUnavailable("the file of calls cannot be written"))
            return
        changed = self._unsaved.add(decision, self.memory.keeps)
        if not changed and not self._waiting and self._in_commit is None and not self._telling:
            done(decision)  # it says nothing that is not in the file already
            return
        if self._failure is not None:
            done(decision)
            return
        self._waiting.append((done, decision))
        self._flush_soon()

    def _noted(self, note: Note, now: Millis, before: Call) -> tuple[Call, Step] | None:
        noted = note(now, before)
        if noted is not None:
            self._unsaved.note(*noted)
            if self._timer is None:
                self._timer = self.loop.call_later(NOTES_WAIT, self._flush)
        return noted

    # ------------------------------------------------------------ commits

    def _flush_soon(self) -> None:
        """Commits at the end of this tick of the loop, with all else that is decided in it."""
        if not self._flush_is_due and self._in_commit is None:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._in_commit is not None or self._writer is None or not (self._unsaved or self._waiting):
            return
        if not self._unsaved:
            waiting, self._waiting = self._waiting, []
            self._tell(waiting)
            return
        now = self._clock.wall()
        forget = None
        if abs(now - self._forgot_at) >= _FORGET_EVERY:
            self._forgot_at, forget = now, Millis(now - KEEP_ENDED)
        self._in_commit = self._unsaved, self._waiting
        self._writer.submit(self._unsaved.batch(self._number, forget, now))
        self._number += self._unsaved.numbers
        self._unsaved, self._waiting = Unsaved(), []

    def _written(self, failure: str | None) -> None:
        """Takes the writer's word, on its thread."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._committed, failure)

    def _committed(self, failure: str | None) -> None:
        if self._in_commit is None:
            return
        (unsaved, waiting), self._in_commit = self._in_commit, None
        if failure is None:
            self.commits += 1
            self._succeeded()
        else:
            self.failures += 1
            self._unsaved.put_back(unsaved)
            waiting += self._waiting
            self._waiting = []
            self._failed(failure)
        self._tell(waiting)

    def _tell(self, waiting: _Waiting) -> None:
        """Calls every `done`, a fault in one or not. What is decided in there is told after all of them."""
        self._telling = True
        for done, decision in waiting:
            try:
                done(decision)
            except Exception:
                log.exception("what follows from a decision failed")
        self._telling = False
        if self._waiting:
            self._flush_soon()

    def _failed(self, failure: str) -> None:
        if self._failure is None:
            log.error(
                "the file of calls cannot be written: new calls are refused, live ones go on from memory",
                file=str(self.file.path),
                reason=failure,
            )
        self._failure = failure
        if self._writer is not None:
            self._timer = self.loop.call_later(RETRY, self._write_all_again)

    def _write_all_again(self) -> None:
        for call in self.memory.live():
            self._unsaved.calls[call.id] = call
        self._flush()

    def _succeeded(self) -> None:
        if self._failure is not None:
            self._failure = None
            log.warning("the file of calls is written again: new calls are accepted", file=str(self.file.path))

    # ------------------------------------------------------------ what a former process left

    def _load(self, connection: sqlite3.Connection) -> None:
        """Raises sqlite3.DatabaseError or ValueError when it cannot be read; then nothing was taken."""
        now = self._clock.wall()
        oldest = now - KEEP_ENDED
        ended = connection.execute(
            "SELECT body FROM calls WHERE ended >= ? ORDER BY ended DESC LIMIT ?", (oldest, self._ended_calls)
        ).fetchall()
        live = connection.execute("SELECT id, body FROM calls WHERE ended IS NULL ORDER BY created").fetchall()
        early = connection.execute("SELECT body FROM early WHERE until >= ? ORDER BY number", (now,)).fetchall()
        (last,) = connection.execute(
            "SELECT max((SELECT ifnull(max(number), 0) FROM steps), (SELECT ifnull(max(number), 0) FROM early))"
        ).fetchone()
        over = [_decode_call(body) for (body,) in reversed(ended)]
        calls = [self._restored(now, _decode_call(body)) for _, body in live]
        steps = [steps_of(connection, CallId(id_)) for id_, _ in live]
        remembered = [_decode_early(body) for (body,) in early]
        self._number = last + 1
        for call in over:
            self.memory.restore(call, [])
        for call, taken in zip(calls, steps, strict=True):
            self.memory.restore(call, list(taken))
            self._unsaved.calls[call.id] = call
        self.memory.remember(remembered)
        log.info("calls of the former process taken up", live=len(calls), ended=len(over), file=str(self.file.path))


class SqliteCallLog:
    """A `CallLog` on a `SqliteCallStore`: what memory has from there, the rest from the file, read by a thread."""

    def __init__(self, store: SqliteCallStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._memory = MemoryCallLog(store.memory)
        self._reader = ThreadPoolExecutor(1, "calls-reader")
        self._connection: sqlite3.Connection | None = None
        self._reading: set[asyncio.Future[Any]] = set()

    def of_user(
        self, user: UserId, limit: int, done: Callable[[tuple[Call, ...]], None], since: Millis | None = None
    ) -> None:
        """A user's calls, newest first; the file is asked only when memory has forgotten some that are asked for."""
        in_memory: list[tuple[Call, ...]] = []
        self._memory.of_user(user, limit, in_memory.append, since)
        (calls,) = in_memory
        oldest = Millis(self._clock.wall() - KEEP_ENDED)
        wanted = max(since or oldest, oldest)
        if len(calls) >= limit or not self._store.memory.forgot_since(wanted):
            done(calls)
        else:
            self._read(partial(_calls_of, user, wanted, limit), partial(_merged, calls, limit, done))

    def recent(self, limit: int, done: Callable[[tuple[Call, ...]], None]) -> None:
        """Live calls, then ended ones, newest first: those in memory."""
        self._memory.recent(limit, done)

    def timeline(self, call: CallId, done: Callable[[tuple[Step, ...]], None]) -> None:
        """The steps of a call in order."""
        in_memory: list[tuple[Step, ...]] = []
        self._memory.timeline(call, in_memory.append)
        if in_memory[0]:
            done(in_memory[0])
        else:
            self._read(partial(steps_of, call=call), done)

    def live_count(self) -> int:
        """How many calls are live."""
        return self._memory.live_count()

    async def idle(self) -> None:
        """Returns when everybody who asked has his answer."""
        await asyncio.gather(*self._reading)

    async def stop(self) -> None:
        """Ends the thread that reads."""
        await asyncio.to_thread(self._reader.shutdown)
        close(self._connection)

    def _read(
        self, read: Callable[[sqlite3.Connection], tuple[_T, ...]], done: Callable[[tuple[_T, ...]], None]
    ) -> None:
        """Reads on the thread; what cannot be read is as if it was not there."""

        def reading() -> tuple[_T, ...]:
            try:
                if self._connection is None:
                    self._connection = self._store.file.connect()
                return read(self._connection)
            except (sqlite3.Error, MsgspecError) as error:
                close(self._connection)
                self._connection = None
                log.warning("the file of calls cannot be read", file=str(self._store.file.path), reason=str(error))
                return ()

        answer = self._store.loop.run_in_executor(self._reader, reading)
        self._reading.add(answer)
        answer.add_done_callback(self._reading.discard)
        answer.add_done_callback(lambda read: done(read.result()))


def steps_of(connection: sqlite3.Connection, call: CallId) -> tuple[Step, ...]:
    """Returns the timeline of a call. Raises sqlite3.Error or msgspec.MsgspecError."""
    rows = connection.execute("SELECT body FROM steps WHERE call = ? ORDER BY number", (call,))
    return tuple(step for (body,) in rows for step in _decode_steps(body))


def _calls_of(user: UserId, since: Millis, limit: int, connection: sqlite3.Connection) -> tuple[Call, ...]:
    rows = connection.execute(
        "SELECT body FROM calls WHERE (caller = ?1 OR receiver = ?1) AND ended >= ?2 ORDER BY created DESC LIMIT ?3",
        (user, since, limit),
    )
    return tuple(_decode_call(body) for (body,) in rows)


def _merged(
    in_memory: tuple[Call, ...],
    limit: int,
    done: Callable[[tuple[Call, ...]], None],
    in_file: tuple[Call, ...],
) -> None:
    known = {call.id for call in in_memory}
    done((*in_memory, *(call for call in in_file if call.id not in known))[:limit])


_REFUSED: Final = Decision()
"""Stands for a decision that would have made a new call while none can be kept."""


def _without_new_calls(decide: Decide, view: View) -> Decision:
    decision = decide(view)
    known = {call.id for call in (view.call, *view.live.values()) if call is not None}
    return decision if all(call.id in known for call in decision.calls) else _REFUSED
