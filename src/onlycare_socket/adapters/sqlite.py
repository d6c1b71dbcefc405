"""Calls in memory with their shadow in a SQLite file: what anybody was told is there again after kill -9.

While the process lives, its memory is the truth: decisions are made there, at once. What a decision changed goes into
the next commit, together with all that is decided meanwhile, and `done` runs when that commit is made. Notes (who was
told) go with the next commit of their call, or by themselves a moment later: nobody waits for them.

A commit that fails, or takes too long, makes the store degraded: new calls are refused, live calls go on from memory
without the promise, and every second all live calls are written again, with all else that is missing in the file,
until that succeeds.

Its life is in `sqlite_life`; compiled, since every decision comes through here.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from onlycare_socket.adapters.memory import KEEP_ENDED, MemoryCallStore
from onlycare_socket.adapters.sqlite_entry import Fact, FactKey, Unsaved
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_health import Health
from onlycare_socket.adapters.sqlite_reader import Reader
from onlycare_socket.adapters.sqlite_reading import read_call
from onlycare_socket.adapters.sqlite_refusal import REFUSED, UNAVAILABLE, Done, Waiter, without_new_calls
from onlycare_socket.adapters.sqlite_writer import Writer
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.decision import Decide, Decision, Note
from onlycare_socket.calls.ids import CallId, Millis, UserId
from onlycare_socket.calls.states import DeadlineKind
from onlycare_socket.clock import Clock
from onlycare_socket.pauses import Buckets
from onlycare_socket.ports import StoreUnavailable

NOTES_WAIT: Final = 0.2
"""Seconds until notes, which nobody waits for, are committed by themselves.

A crash forgets them. Most say who was told, and what was told within a minute is told again after one all the same
(`calls/restart.py`); a push is at worst sent again.
"""
RETRY: Final = 1.0
"""Seconds until a failed commit is tried again."""
PATIENCE: Final = 3.0
"""Seconds after which a commit that is not made counts as failed: a disk may hang for minutes."""

_STOOD_STILL: Final = 1.0
"""Seconds between two sweeps after which the process itself was held up."""

log: Final = structlog.get_logger(__name__)


class SqliteCallStore:
    """A `CallStore` in one file, which `SqliteLife` starts before anything else."""

    def __init__(self, file: CallsFile, clock: Clock, not_kept: Decide, ended_calls: int) -> None:
        """`not_kept` ends a call that was refused."""
        self.memory: Final = MemoryCallStore(clock, ended_calls)
        self.reader: Final = Reader(file)
        self.unsaved = Unsaved()
        """What the next commit writes."""
        self.former_facts: dict[str, dict[str, bytes]] = {}
        """What a former process left, by kind and key."""
        self.commit_seconds: Final = Buckets()
        """How long each commit took, on the writer's thread."""
        self.failures = 0
        """Commits that failed, or took too long."""
        self.health: Final = Health(str(file.path))
        self.retry = RETRY
        self.patience = PATIENCE
        self._clock: Final = clock
        self._not_kept: Final = not_kept
        self._loop: asyncio.AbstractEventLoop
        self._writer: Writer | None = None
        self._noted = Unsaved()
        self._waiting: list[Waiter] = []
        self._in_commit: tuple[Unsaved, list[Waiter]] | None = None
        self._begun = 0.0
        self._swept = 0.0
        self._telling = False
        self._flush_is_due = False
        self._flush_is_owed = False
        self._lost = 0
        self._notes_timer: asyncio.TimerHandle | None = None
        self._retry_timer: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ life

    def begin(self, loop: asyncio.AbstractEventLoop, writer: Writer) -> None:
        """Commits from now on what is decided, on this loop."""
        self._loop = self.reader.loop = loop
        self._writer = writer
        if self.unsaved:
            self._flush_soon()

    def end(self) -> None:
        """Commits nothing any more."""
        self._writer = None
        for timer in (self._notes_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()

    def press(self) -> bool:
        """Commits what there is, as soon as may be. Returns whether anything still waits, but for a file that fails."""
        if self.health.failure is None:
            self._take_notes()
        self._flush()
        if self._waiting or self._in_commit is not None or self._begins_at_once():
            return True
        return bool(self.unsaved) and self.health.failure is None

    # ------------------------------------------------------------ CallStore

    def transact(self, call: CallId | None, users: tuple[UserId, ...], decide: Decide, done: Done) -> None:
        """Decides now; `done` runs with the commit of what was decided, and behind those of earlier decisions."""
        if self.health.failure is not None:
            decide = partial(without_new_calls, decide)
        self.memory.transact(call, users, decide, partial(self._decided, done))

    def note(self, call: CallId, note: Note) -> None:
        """Adds to the call at once; it is in the file a moment later."""
        noted = self.memory.noted(call, note)
        if noted is not None:
            changed, step = noted
            into = self._noted
            if call in self.unsaved.calls:  # it goes with that, behind what waits of it
                self._take_notes_of(call)
                into = self.unsaved
            into.calls[call] = changed
            into.log(call, step)
            self._flush_later()

    def due(self, limit: int, each: Callable[[CallId, DeadlineKind], None]) -> None:
        """Names deadlines that have passed; notices a commit that takes too long, unless it was us who stood still."""
        self.memory.due(limit, each)
        now = self._loop.time()
        if now - self._swept > _STOOD_STILL:
            self._begun = now
        self._swept = now
        if self._in_commit is not None and self.health.failure is None and now - self._begun > self.patience:
            unsaved, waiting = self._in_commit
            self._in_commit = unsaved, []
            self.failures += 1
            self._failed(f"it takes longer than {self.patience:g} s", waiting)

    def find(self, call: CallId, done: Callable[[Call | None], None]) -> None:
        """Looks up one call, at once if memory has it; the file is asked when memory may have forgotten it."""
        found: list[Call | None] = []
        self.memory.find(call, found.append)
        oldest = Millis(self._clock.wall() - KEEP_ENDED)
        if found[0] is not None or not self.memory.forgot_since(oldest):
            done(found[0])
        else:
            self.once_written(partial(self.reader.ask, partial(read_call, call=call, oldest=oldest), None, done))

    # ------------------------------------------------------------ facts

    def learn(self, key: FactKey, fact: Fact) -> None:
        """Keeps a fact, in the file a moment later, or drops it, as soon as may be: it may let somebody in."""
        self.unsaved.facts[key] = fact
        if fact is None:
            self._flush_soon()
        else:
            self._flush_later()

    def once_learnt(self, tell: Callable[[], object]) -> None:
        """Calls `tell` when all facts learnt so far are committed."""
        self._in_order(Waiter(lambda _: tell(), UNAVAILABLE), changed=bool(self.unsaved.facts))

    # ------------------------------------------------------------ commits

    def once_kept(self, tell: Callable[[], object]) -> None:
        """Calls `tell` when all that was decided so far is committed: at once when nothing of it is on its way."""
        self._in_order(Waiter(lambda _: tell(), UNAVAILABLE), changed=False)

    def once_written(self, tell: Callable[[], object]) -> None:
        """Calls `tell` when the file knows all that memory does, notes too; at once while it cannot be written."""
        self._take_notes()
        self._in_order(Waiter(lambda _: tell(), UNAVAILABLE), changed=bool(self.unsaved))

    def _decided(self, done: Done, decision: Decision | StoreUnavailable) -> None:
        if isinstance(decision, StoreUnavailable) or decision is REFUSED:
            self._in_order(Waiter(done, UNAVAILABLE), changed=False)
        else:
            self._in_order(Waiter(done, decision), changed=self._take(decision))

    def _take(self, decision: Decision) -> bool:
        """Takes what a decision changed, of calls that are kept. Returns whether that was anything."""
        unsaved, changed = self.unsaved, False
        for call in decision.calls:
            self._take_notes_of(call.id)
            unsaved.calls[call.id] = call
            changed = True
        for id_, step in decision.steps:
            if self.memory.keeps(id_):
                self._take_notes_of(id_)
                unsaved.log(id_, step)
                changed = True
        if decision.early:
            unsaved.early.extend(decision.early)
            changed = True
        return changed

    def _take_notes_of(self, id_: CallId) -> None:
        """Lets the notes of a call go with the next commit, before what else comes to it."""
        noted = self._noted
        if id_ in noted.calls:
            self.unsaved.calls[id_] = noted.calls.pop(id_)
            for step in noted.steps.pop(id_):
                self.unsaved.log(id_, step)

    def _take_notes(self) -> None:
        for id_ in list(self._noted.calls):
            self._take_notes_of(id_)

    def _in_order(self, waiter: Waiter, *, changed: bool) -> None:
        """Tells behind everybody who waits; without waiting, if nothing has to be written first."""
        on_its_way = self.health.failure is None and (changed or self._in_commit is not None)
        if on_its_way or self._waiting or self._telling:
            self._waiting.append(waiter)
            self._flush_soon()
        else:
            waiter.tell()

    def _flush_soon(self) -> None:
        """Commits at the end of this turn of the loop, with all else that is decided in it."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush_later(self) -> None:
        if self._notes_timer is None and self.health.failure is None:
            self._notes_timer = self._loop.call_later(NOTES_WAIT, self._flush_notes)

    def _flush_notes(self) -> None:
        self._notes_timer = None
        self._take_notes()
        self._flush()

    def _flush(self) -> None:
        """Commits what there is, behind a commit that is on its way; tells those who wait for nothing to be written."""
        self._flush_is_due = False
        if self.health.failure is None and self._in_commit is not None:
            self._flush_is_owed = True
            return
        if self.health.failure is None and self.unsaved:
            self._submit()
            return
        waiting, self._waiting = self._waiting, []
        self._tell(waiting)

    def _submit(self) -> None:
        """Hands over what there is; while the file cannot be written, nobody waits for it."""
        if self._writer is not None:
            waiting: list[Waiter] = []
            if self.health.failure is None:
                waiting, self._waiting = self._waiting, waiting
            unsaved, self.unsaved = self.unsaved, Unsaved()
            self._in_commit, self._begun = (unsaved, waiting), self._loop.time()
            self._writer.submit(unsaved)

    def committed(self, failure: str | None, seconds: float) -> None:
        """Takes what became of what was handed over: None, or why it was not written; and how long that took."""
        assert self._in_commit is not None
        unsaved, waiting = self._in_commit
        self._in_commit = None
        flush_is_owed, self._flush_is_owed = self._flush_is_owed, False
        self.commit_seconds.observe(seconds)
        if failure is None:
            told_already = self.health.failure is not None
            if told_already:
                self.health.written(None)
            self._tell(waiting)
            if self._waiting or flush_is_owed or told_already:
                self._flush()
            if self.unsaved or self._noted:
                self._flush_later()
        else:
            self.failures += 1
            self.unsaved.put_back(unsaved)
            self._failed(failure, waiting)
            delay = 0.0 if self._begins_at_once() else self.retry
            self._retry_timer = self._loop.call_later(delay, self.write_all_again)

    def _tell(self, waiting: list[Waiter]) -> None:
        """Tells everybody, a fault in one or not. What is decided in there is told after all of them."""
        self._telling = True
        for waiter in waiting:
            try:
                waiter.tell()
            except Exception:
                log.exception("what follows from a decision failed")
        self._telling = False

    # ------------------------------------------------------------ a file that cannot be written

    def _failed(self, reason: str, waiting: list[Waiter]) -> None:
        self.health.written(reason)
        waiting = [*waiting, *self._waiting]
        self._waiting = []
        for waiter in waiting:
            self._without_promise(waiter)
        self._tell(waiting)

    def _without_promise(self, waiter: Waiter) -> None:
        """Refuses a call that nobody has heard of; else who waits is told although the commit was not made."""
        dialled = waiter.dialled()
        if dialled is not None:

            def ended(decision: Decision | StoreUnavailable) -> None:
                if isinstance(decision, Decision) and self._take(decision):
                    waiter.answer = UNAVAILABLE

            self.memory.transact(dialled, (), self._not_kept, ended)

    def write_all_again(self) -> None:
        """Tries to commit all live calls, and all else that is missing."""
        if self._retry_timer is not None:
            self._retry_timer.cancel()
            self._retry_timer = None
        if self._in_commit is None:
            self._take_notes()
            for call in self.memory.live():
                self.unsaved.calls[call.id] = call
            if self._lost:
                self.unsaved.begins, self._lost = self._lost, 0
                for id_ in self.unsaved.calls:
                    steps = self.memory.steps_of(id_)
                    if steps:
                        self.unsaved.steps[id_] = list(steps)
            self._submit()

    def _begins_at_once(self) -> bool:
        """Says whether an empty file waits for its first batch, and is the first one to do so: if that is damaged too,
        the next has to wait.
        """
        return self._lost != 0 and self.unsaved.begins == 0

    def lost(self, begun: int) -> None:
        """An empty file has taken the place of one that was lost: all live calls go into it, with their timelines.

        A commit that is on its way fails, if it was meant for the former file; then it is as after every failure.
        """
        self._lost = begun
        self.write_all_again()

    def tidied(self, trouble: str | None) -> None:
        """Takes why what was committed cannot be filed, or None when it can be again."""
        self.health.filed(trouble)
