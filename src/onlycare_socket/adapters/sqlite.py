"""Calls in memory with their shadow in a SQLite file: what anybody was told is there again after kill -9.

While the process lives, its memory is the truth: decisions are made there, at once. What a decision changed goes into
the next commit, together with all that is decided meanwhile, and `done` runs when that commit is made.

A commit that fails, or takes too long, makes the store degraded: new calls are refused, live calls go on from memory
without the promise, and every second all live calls are written again, with all else that is missing in the file,
until that succeeds.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import structlog

from onlycare_socket.adapters.memory import KEEP_ENDED, MemoryCallStore
from onlycare_socket.adapters.sqlite_entry import Fact, FactKey, Unsaved
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_reader import Reader
from onlycare_socket.adapters.sqlite_reading import read_call, read_estate
from onlycare_socket.adapters.sqlite_refusal import (
    REFUSED,
    UNAVAILABLE,
    Done,
    Tell,
    Waiter,
    waiter_of,
    without_new_calls,
)
from onlycare_socket.adapters.sqlite_tables import file, oldest
from onlycare_socket.adapters.sqlite_writer import Writer
from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.decision import Decide, Decision, Note
from onlycare_socket.calls.ids import CallId, Millis, UserId
from onlycare_socket.calls.states import DeadlineKind
from onlycare_socket.clock import Clock
from onlycare_socket.pauses import Buckets
from onlycare_socket.ports import StoreUnavailable

NOTES_WAIT: Final = 0.05
"""Seconds until notes, which nobody waits for, are committed by themselves."""
RETRY: Final = 1.0
"""Seconds until a failed commit is tried again."""
PATIENCE: Final = 3.0
"""Seconds after which a commit that is not made counts as failed: a disk may hang for minutes."""

LAST_WORK: Final = 1.0
"""Seconds that a stop waits until the file is in order, once all is committed: a slow disk may not hold it up."""
_STOOD_STILL: Final = 1.0
"""Seconds between two sweeps after which the process itself was held up."""


class Restored(Protocol):
    """Returns a call of a former process as it is from now on, and the line of its timeline that says so.

    `clean`: that process came to its end, instead of being cut off.
    """

    def __call__(self, now: Millis, call: Call, *, clean: bool) -> tuple[Call, Step | None]: ...


_CLEAN: Final[FactKey] = ("store", "came to its end")
"""The fact that a process leaves which was not cut off."""
log = structlog.get_logger(__name__)


class SqliteCallStore:
    """A `CallStore` in one file; `start` before anything else, on the loop that it is used on."""

    def __init__(
        self,
        file: CallsFile,
        clock: Clock,
        restored: Restored,
        not_kept: Decide,
        ended_calls: int = 20_000,
    ) -> None:
        """`restored` returns a call of a former process as it is from now on; `not_kept` ends one that was refused."""
        self.memory: Final = MemoryCallStore(clock, ended_calls)
        self.reader: Final = Reader(file)
        self.former_facts: dict[str, dict[str, bytes]] = {}
        """What a former process left, by kind and key."""
        self.commit_seconds: Final = Buckets()
        """How long each commit took, on the writer's thread."""
        self.failures = 0
        """Commits that failed, or took too long."""
        self._file = file
        self._clock = clock
        self._restored = restored
        self._not_kept = not_kept
        self._ended_calls = ended_calls
        self._loop: asyncio.AbstractEventLoop
        self._writer: Writer | None = None
        self._unsaved = Unsaved()
        self._waiting: list[Waiter] = []
        self._in_commit: tuple[Unsaved, list[Waiter]] | None = None
        self._begun = self._swept = 0.0
        self._telling = False
        self._flush_is_due = False
        self._notes_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None
        self._failure: str | None = None
        self._untidy: str | None = None

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Takes up what a former process left. Raises FileInUse, and OSError or sqlite3.Error for no file at all."""
        self._file.hold()
        try:
            self._file.read(self._load)
        except BaseException:
            self._file.release()
            raise
        self._loop = self.reader.loop = asyncio.get_running_loop()
        self._writer = Writer(
            self._file,
            self._times,
            finished=partial(self._on_loop, self._committed),
            tidied=partial(self._on_loop, self._tidied),
            begun_anew=partial(self._on_loop, self._lost),
        )
        self._writer.start()
        if self._unsaved:
            self._flush_soon()

    async def stop(self) -> None:
        """Commits what waits, and lets the file go."""
        if self._writer is None:
            return
        if self._failure is not None:
            self._write_all_again()
        self.learn(_CLEAN, (None, b""))
        await self.idle()
        writer, self._writer = self._writer, None
        for timer in (self._notes_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        await self.reader.stop()
        writer.stop()
        until = self._loop.time() + LAST_WORK
        while writer.busy and self._loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._file.release()
        if self._failure is not None:
            log.error("stopped without having written all calls", file=str(self._file.path), reason=self._failure)

    async def idle(self) -> None:
        """Returns when all that was decided is committed; when the file cannot be written, after one attempt."""
        while self._waiting or self._in_commit is not None or (self._unsaved and self._failure is None):
            self._flush()
            await asyncio.sleep(0.001)

    @property
    def degraded(self) -> bool:
        """Whether the file cannot be written, or not all of it."""
        return self._failure is not None or self._untidy is not None

    # ------------------------------------------------------------ CallStore

    def transact(self, call: CallId | None, users: tuple[UserId, ...], decide: Decide, done: Done) -> None:
        """Decides now; `done` runs with the commit of what was decided, and behind those of earlier decisions."""
        if self._failure is not None:
            decide = partial(without_new_calls, decide)
        self.memory.transact(call, users, decide, partial(self._decided, done))

    def note(self, call: CallId, note: Note) -> None:
        """Adds to the call at once; it is in the file a moment later."""
        self.memory.note(call, partial(self._noted, note))

    def due(self, limit: int, each: Callable[[CallId, DeadlineKind], None]) -> None:
        """Names deadlines that have passed; notices a commit that takes too long, unless it was us who stood still."""
        self.memory.due(limit, each)
        now = self._loop.time()
        if now - self._swept > _STOOD_STILL:
            self._begun = now
        self._swept = now
        if self._in_commit is not None and self._failure is None and self._loop.time() - self._begun > PATIENCE:
            unsaved, waiting = self._in_commit
            self._in_commit = unsaved, []
            self.failures += 1
            self._failed(f"it takes longer than {PATIENCE:g} s", waiting)

    def find(self, call: CallId, done: Callable[[Call | None], None]) -> None:
        """Looks up one call, at once if memory has it; the file is asked when memory may have forgotten it."""
        found: list[Call | None] = []
        self.memory.find(call, found.append)
        oldest = Millis(self._clock.wall() - KEEP_ENDED)
        if found[0] is not None or not self.memory.forgot_since(oldest):
            done(found[0])
        else:
            self.once_kept(partial(self.reader.ask, partial(read_call, call=call, oldest=oldest), None, done))

    # ------------------------------------------------------------ facts

    def learn(self, key: FactKey, fact: Fact) -> None:
        """Keeps a fact, in the file a moment later, or drops it, as soon as may be: it may let somebody in."""
        self._unsaved.facts[key] = fact
        if fact is None:
            self._flush_soon()
        else:
            self._flush_later()

    def once_learnt(self, tell: Tell) -> None:
        """Calls `tell` when all facts learnt so far are committed."""
        self._in_order(Waiter(tell), changed=bool(self._unsaved.facts))

    # ------------------------------------------------------------ commits

    def once_kept(self, tell: Tell) -> None:
        """Calls `tell` when all that was decided so far is committed: at once when nothing of it is on its way."""
        self._in_order(Waiter(tell), changed=False)

    def _decided(self, done: Done, decision: Decision | StoreUnavailable) -> None:
        if not isinstance(decision, Decision) or decision is REFUSED:
            self._in_order(Waiter(partial(done, UNAVAILABLE)), changed=False)
        else:
            self._in_order(waiter_of(done, decision), changed=self._unsaved.add(decision, self.memory.keeps))

    def _in_order(self, waiter: Waiter, *, changed: bool) -> None:
        """Tells behind everybody who waits; without waiting, if nothing has to be written first."""
        on_its_way = self._failure is None and (changed or self._in_commit is not None)
        if on_its_way or self._waiting or self._telling:
            self._waiting.append(waiter)
            self._flush_soon()
        else:
            waiter.tell()

    def _noted(self, note: Note, now: Millis, before: Call) -> tuple[Call, Step] | None:
        noted = note(now, before)
        if noted is not None:
            self._unsaved.note(*noted)
            self._flush_later()
        return noted

    def _flush_soon(self) -> None:
        """Commits at the end of this turn of the loop, with all else that is decided in it."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush_later(self) -> None:
        if self._notes_timer is None and self._failure is None:
            self._notes_timer = self._loop.call_later(NOTES_WAIT, self._flush)

    def _flush(self) -> None:
        """Commits what there is, behind a commit that is on its way; tells those who wait for nothing to be written."""
        self._flush_is_due = False
        if self._notes_timer is not None:
            self._notes_timer.cancel()
            self._notes_timer = None
        if self._failure is None and (self._in_commit is not None or self._unsaved):
            if self._in_commit is None:
                self._submit()
            return
        waiting, self._waiting = self._waiting, []
        self._tell([waiter.tell for waiter in waiting])

    def _submit(self) -> None:
        """Hands over what there is; while the file cannot be written, nobody waits for it."""
        if self._writer is not None:
            waiting: list[Waiter] = []
            if self._failure is None:
                waiting, self._waiting = self._waiting, waiting
            self._in_commit, self._begun = (self._unsaved, waiting), self._loop.time()
            self._unsaved = Unsaved()
            self._writer.submit(self._in_commit[0])

    def _on_loop(self, take: Callable[..., None], *said: object) -> None:
        """Hands what the writer says, on its thread, to the loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(take, *said)

    def _committed(self, failure: str | None, seconds: float) -> None:
        assert self._in_commit is not None
        (unsaved, waiting), self._in_commit = self._in_commit, None
        self.commit_seconds.observe(seconds)
        if failure is None:
            told_already = self._failure is not None
            self._say(None, self._untidy)
            self._tell([waiter.tell for waiter in waiting])
            if self._waiting or told_already:
                self._flush()
            elif self._unsaved:
                self._flush_later()
        else:
            self.failures += 1
            self._unsaved.put_back(unsaved)
            self._failed(failure, waiting)
            self._retry_timer = self._loop.call_later(RETRY, self._write_all_again)

    def _tell(self, waiting: list[Tell]) -> None:
        """Tells everybody, a fault in one or not. What is decided in there is told after all of them."""
        self._telling = True
        for tell in waiting:
            try:
                tell()
            except Exception:
                log.exception("what follows from a decision failed")
        self._telling = False

    # ------------------------------------------------------------ a file that cannot be written

    def _failed(self, reason: str, waiting: list[Waiter]) -> None:
        self._say(reason, self._untidy)
        waiting += self._waiting
        self._waiting = []
        self._tell([self._without_promise(waiter) for waiter in waiting])

    def _without_promise(self, waiter: Waiter) -> Tell:
        """Returns what he is told whose commit was not made. A call that nobody has heard of is refused."""
        if waiter.dialled is None or waiter.refuse is None:
            return waiter.tell
        refused: list[bool] = []

        def ended(decision: Decision | StoreUnavailable) -> None:
            if isinstance(decision, Decision) and self._unsaved.add(decision, self.memory.keeps):
                refused.append(True)

        self.memory.transact(waiter.dialled, (), self._not_kept, ended)
        return waiter.refuse if refused else waiter.tell

    def _write_all_again(self) -> None:
        if self._in_commit is None:
            for call in self.memory.live():
                self._unsaved.calls[call.id] = call
            self._submit()

    def _lost(self) -> None:
        """An empty file has taken the place of one that was lost: all live calls go into it, with their timelines."""
        for call in self.memory.live():
            self._unsaved.calls[call.id] = call
            self._unsaved.steps.extend([(call.id, step) for step in self.memory.steps_of(call.id)])
        self._flush_soon()

    def _tidied(self, trouble: str | None) -> None:
        self._say(self._failure, trouble)

    def _say(self, failure: str | None, untidy: str | None) -> None:
        """Takes down what does not work, and logs what is new of it."""
        before = self.degraded
        if failure is not None and self._failure is None:
            log.error(
                "the file of calls cannot be written: new calls are refused, live ones go on from memory",
                file=str(self._file.path),
                reason=failure,
            )
        elif untidy is not None and not before:
            log.error(
                "the file of calls cannot be put in order; what is decided is kept all the same",
                file=str(self._file.path),
                reason=untidy,
            )
        self._failure, self._untidy = failure, untidy
        if before and not self.degraded:
            log.warning("the file of calls is written again", file=str(self._file.path))

    # ------------------------------------------------------------ what a former process left

    def _times(self) -> tuple[int, int]:
        now = self._clock.wall()
        return now, now - KEEP_ENDED

    def _load(self, connection: sqlite3.Connection) -> None:
        """Raises sqlite3.DatabaseError or ValueError when it cannot be read; then nothing was taken."""
        while entries := oldest(connection):
            file(connection, entries)
        now = self._clock.wall()
        estate = read_estate(connection, now, now - KEEP_ENDED, self._ended_calls)
        clean = bool(estate.facts.pop(_CLEAN[0], None))
        if clean:
            self._unsaved.facts[_CLEAN] = None
        for call, steps in [*((call, []) for call in estate.ended), *estate.live]:
            restored, step = self._restored(now, call, clean=clean)
            self.memory.restore(restored, steps if step is None else [*steps, step])
            if restored is not call:
                self._unsaved.calls[call.id] = restored
            if step is not None:
                self._unsaved.steps.append((call.id, step))
        self.memory.remember(estate.early, estate.left_out)
        self.former_facts = estate.facts
        if estate.live or estate.ended:
            log.info(
                "calls of the former process taken up",
                clean=clean,
                live=len(estate.live),
                ended=len(estate.ended),
                file=str(self._file.path),
            )
