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
from typing import Final

import structlog

from onlycare_socket.adapters.memory import KEEP_ENDED, MemoryCallStore
from onlycare_socket.adapters.sqlite_entry import Fact, FactKey, Unsaved
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_reader import Reader
from onlycare_socket.adapters.sqlite_reading import read_call, read_estate
from onlycare_socket.adapters.sqlite_tables import file, oldest
from onlycare_socket.adapters.sqlite_writer import Writer
from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.decision import Decide, Decision, Note, View
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

Tell = Callable[[], object]
"""Calls a `done` with what it gets."""

_Done = Callable[[Decision | StoreUnavailable], object]

_REFUSED: Final = Decision()
"""Stands for a decision that would have made a new call while none can be kept."""
_UNAVAILABLE: Final = StoreUnavailable("the file of calls cannot be written")

log = structlog.get_logger(__name__)


class SqliteCallStore:
    """A `CallStore` in one file; `start` before anything else, on the loop that it is used on."""

    def __init__(
        self,
        file: CallsFile,
        clock: Clock,
        restored: Callable[[Millis, Call], tuple[Call, Step]],
        ended_calls: int = 20_000,
    ) -> None:
        """`restored` returns a live call of a former process as it is to go on from now, with a line that says so."""
        self.memory: Final = MemoryCallStore(clock, ended_calls)
        self.reader: Final = Reader(file)
        self.former_facts: dict[str, dict[str, bytes]] = {}
        """What a former process left, by kind and key."""
        self.commit_seconds: Final = Buckets()
        """How long each commit took, on the writer's thread."""
        self.failures = 0
        """Commits that failed."""
        self._file = file
        self._clock = clock
        self._restored = restored
        self._ended_calls = ended_calls
        self._loop: asyncio.AbstractEventLoop
        self._writer: Writer | None = None
        self._unsaved = Unsaved()
        self._waiting: list[Tell] = []
        self._in_commit: tuple[Unsaved, list[Tell]] | None = None
        self._begun = 0.0
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
            finished=self._written,
            tidied=self._untidy_found,
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
        await self.idle()
        writer, self._writer = self._writer, None
        for timer in (self._notes_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        await asyncio.to_thread(writer.stop)
        await self.reader.stop()
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

    def transact(self, call: CallId | None, users: tuple[UserId, ...], decide: Decide, done: _Done) -> None:
        """Decides now; `done` runs with the commit of what was decided, and behind those of earlier decisions."""
        if self._failure is not None:
            decide = partial(_without_new_calls, decide)
        self.memory.transact(call, users, decide, partial(self._decided, done))

    def note(self, call: CallId, note: Note) -> None:
        """Adds to the call at once; it is in the file a moment later."""
        self.memory.note(call, partial(self._noted, note))

    def due(self, limit: int, each: Callable[[CallId, DeadlineKind], None]) -> None:
        """Names deadlines that have passed; notices a commit that takes too long."""
        self.memory.due(limit, each)
        if self._in_commit is not None and self._failure is None and self._loop.time() - self._begun > PATIENCE:
            unsaved, waiting = self._in_commit
            self._in_commit = unsaved, []
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
        self._in_order(tell, changed=bool(self._unsaved.facts))

    # ------------------------------------------------------------ commits

    def once_kept(self, tell: Tell) -> None:
        """Calls `tell` when all that was decided so far is committed: at once when nothing of it is on its way."""
        self._in_order(tell, changed=False)

    def _decided(self, done: _Done, decision: Decision | StoreUnavailable) -> None:
        if not isinstance(decision, Decision) or decision is _REFUSED:
            self._in_order(partial(done, _UNAVAILABLE), changed=False)
        else:
            self._in_order(partial(done, decision), changed=self._unsaved.add(decision, self.memory.keeps))

    def _in_order(self, tell: Tell, *, changed: bool) -> None:
        """Tells behind everybody who waits; without waiting, if nothing has to be written first."""
        on_its_way = self._failure is None and (changed or self._in_commit is not None)
        if on_its_way or self._waiting or self._telling:
            self._waiting.append(tell)
            self._flush_soon()
        else:
            tell()

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
        self._tell(waiting)

    def _submit(self) -> None:
        """Hands over what there is; while the file cannot be written, nobody waits for it."""
        if self._writer is not None:
            waiting: list[Tell] = []
            if self._failure is None:
                waiting, self._waiting = self._waiting, waiting
            self._in_commit, self._begun = (self._unsaved, waiting), self._loop.time()
            self._unsaved = Unsaved()
            self._writer.submit(self._in_commit[0])

    def _written(self, failure: str | None, seconds: float) -> None:
        """Hands the writer's word, which comes on its thread, to the loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._committed, failure, seconds)

    def _committed(self, failure: str | None, seconds: float) -> None:
        assert self._in_commit is not None
        (unsaved, waiting), self._in_commit = self._in_commit, None
        self.commit_seconds.observe(seconds)
        if failure is None:
            told_already = self._failure is not None
            self._say(None, self._untidy)
            self._tell(waiting)
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

    def _failed(self, reason: str, waiting: list[Tell]) -> None:
        self._say(reason, self._untidy)
        waiting += self._waiting
        self._waiting = []
        self._tell(waiting)

    def _write_all_again(self) -> None:
        if self._in_commit is None:
            for call in self.memory.live():
                self._unsaved.calls[call.id] = call
            self._submit()

    def _untidy_found(self, trouble: str | None) -> None:
        """Hands the writer's word, which comes on its thread, to the loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tidied, trouble)

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
                "the file of calls cannot be put in order; nothing is lost so far",
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
        for call in estate.ended:
            self.memory.restore(call, [])
        for call, steps in estate.live:
            restored, step = self._restored(now, call)
            self.memory.restore(restored, [*steps, step])
            self._unsaved.note(restored, step)
        self.memory.remember(estate.early, estate.left_out)
        self.former_facts = estate.facts
        log.info(
            "calls of the former process taken up",
            live=len(estate.live),
            ended=len(estate.ended),
            file=str(self._file.path),
        )


def _without_new_calls(decide: Decide, view: View) -> Decision:
    decision = decide(view)
    known = {call.id for call in (view.call, *view.live.values()) if call is not None}
    return decision if all(call.id in known for call in decision.calls) else _REFUSED
