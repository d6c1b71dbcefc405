"""The life of a SQLite store: it takes up what a former process left, and lets the file go when all is written."""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import structlog

from onlycare_socket.adapters.memory import KEEP_ENDED
from onlycare_socket.adapters.sqlite import SqliteCallStore
from onlycare_socket.adapters.sqlite_entry import FactKey
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_filing import file_all
from onlycare_socket.adapters.sqlite_reading import read_estate
from onlycare_socket.adapters.sqlite_writer import Writer
from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.decision import Decide
from onlycare_socket.calls.ids import Millis
from onlycare_socket.clock import Clock

LAST_WORK: Final = 1.0
"""Seconds that a stop waits until the file is in order, once all is committed: a slow disk may not hold it up."""

_CLEAN: Final[FactKey] = ("store", "came to its end")
"""The fact that a process leaves which was not cut off."""
log = structlog.get_logger(__name__)


class Restored(Protocol):
    """Returns a call of a former process as it is from now on, and the line of its timeline that says so.

    `clean`: that process came to its end, instead of being cut off.
    """

    def __call__(self, now: Millis, call: Call, *, clean: bool) -> tuple[Call, Step | None]: ...


class SqliteLife:
    """Starts and stops a store, on the loop that it is used on."""

    def __init__(
        self, file: CallsFile, clock: Clock, restored: Restored, not_kept: Decide, ended_calls: int = 20_000
    ) -> None:
        """`restored` returns a call of a former process as it is from now on; `not_kept` ends one that was refused."""
        self.store: Final = SqliteCallStore(file, clock, not_kept, ended_calls)
        self._file = file
        self._clock = clock
        self._restored = restored
        self._ended_calls = ended_calls
        self._loop: asyncio.AbstractEventLoop
        self._writer: Writer | None = None

    async def start(self) -> None:
        """Takes up what a former process left. Raises FileInUse, and OSError or sqlite3.Error for no file at all."""
        self._file.hold()
        try:
            self._file.read(self._load)
        except BaseException:
            self._file.release()
            raise
        self._loop = asyncio.get_running_loop()
        self._writer = Writer(
            self._file,
            self._times,
            finished=partial(self._on_loop, self.store.committed),
            tidied=partial(self._on_loop, self.store.tidied),
            begun_anew=partial(self._on_loop, self.store.lost),
        )
        self._writer.start()
        self.store.begin(self._loop, self._writer)

    async def stop(self) -> None:
        """Commits what waits, and lets the file go."""
        if self._writer is None:
            return
        store = self.store
        if store.health.failure is not None:
            store.write_all_again()
        store.learn(_CLEAN, (None, b""))
        await self.idle()
        store.end()
        writer, self._writer = self._writer, None
        await store.reader.stop()
        writer.stop()
        until = self._loop.time() + LAST_WORK
        while writer.busy and self._loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._file.release()
        failure = store.health.failure
        if failure is not None:
            log.error("stopped without having written all calls", file=str(self._file.path), reason=failure)

    async def idle(self) -> None:
        """Returns when all that was decided is committed; when the file cannot be written, after one attempt."""
        while self.store.press():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    def _on_loop(self, take: Callable[..., None], *said: object) -> None:
        """Hands what the writer says, on its thread, to the loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(take, *said)

    def _times(self) -> tuple[int, int]:
        now = self._clock.wall()
        return now, now - KEEP_ENDED

    def _load(self, connection: sqlite3.Connection) -> None:
        """Raises sqlite3.DatabaseError or ValueError when it cannot be read; then nothing was taken."""
        file_all(connection)
        now = self._clock.wall()
        estate = read_estate(connection, now, now - KEEP_ENDED, self._ended_calls)
        memory, unsaved = self.store.memory, self.store.unsaved
        clean = bool(estate.facts.pop(_CLEAN[0], None))
        if clean:
            unsaved.facts[_CLEAN] = None
        for call, steps in [*((call, []) for call in estate.ended), *estate.live]:
            restored, step = self._restored(now, call, clean=clean)
            memory.restore(restored, steps if step is None else [*steps, step])
            if restored is not call:
                unsaved.calls[call.id] = restored
            if step is not None:
                unsaved.log(call.id, step)
        memory.remember(estate.early, estate.left_out)
        self.store.former_facts = estate.facts
        if estate.live or estate.ended:
            log.info(
                "calls of the former process taken up",
                clean=clean,
                live=len(estate.live),
                ended=len(estate.ended),
                file=str(self._file.path),
            )
