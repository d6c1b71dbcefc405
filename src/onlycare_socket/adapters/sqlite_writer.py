"""The threads that write: the loop never waits for the disk, and no commit for a checkpoint.

One commits what it is handed, and once a second files what it committed and forgets what is old, a little at a time,
so that the next commit does not wait for long. The other moves SQLite's log into the database, by a connection of its
own. That it does so beside the commits has its price: the log grows until nobody writes for a moment, so the first one
moves the rest of a log that has grown too long, and the next commit begins it anew.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from onlycare_socket.adapters.sqlite_entry import Unsaved
from onlycare_socket.adapters.sqlite_file import WAITS, CallsFile, close
from onlycare_socket.adapters.sqlite_filing import Unfiled, file
from onlycare_socket.adapters.sqlite_tables import append, oldest, prune

_TIDY_EVERY: Final = 1.0
"""Seconds until what was committed is filed."""
_LAST_TIDYING: Final = 1.0
"""Seconds that a stop files at the most; what is left the next process does."""
_CHECKPOINT_EVERY: Final = 1.0
"""Seconds between two checkpoints."""
MOST_UNFILED: Final = 50_000
"""Calls, pieces of timelines and facts that are kept in memory until they are filed: a busy second, some 30 MB. If
there are more, they are read from the journal.
"""
LONGEST_LOG: Final = 4_000
"""Pages of 4 KB: SQLite's log is begun anew when it is longer."""
_READERS_TAKE: Final = 20
"""Milliseconds that a log which is long waits for those who read, once a second: longer than a question to the file."""
_CHECKPOINT_WAITS: Final = 100
"""Milliseconds that the last checkpoint waits for somebody who reads, an operator with a shell say."""

log = structlog.get_logger(__name__)


class Writer:
    """Commits one batch after the other."""

    def __init__(
        self,
        file: CallsFile,
        times: Callable[[], tuple[int, int]],
        *,
        finished: Callable[[str | None, float], None],
        tidied: Callable[[str | None], None],
        begun_anew: Callable[[int], None],
    ) -> None:
        """`times` returns now, and before when ended calls are forgotten, in ms since 1970.

        Called on the writer's thread: `finished` for each batch, with None or with why it was not written, and the
        seconds that it took; `tidied` when what was committed cannot be filed, with the reason, or can be again, with
        None; `begun_anew` when the file was lost, and an empty one has taken its place, with the number of that. Until
        there comes a batch that begins it, all others fail: they know of the former one only.
        """
        self._file = file
        self._times = times
        self._finished = finished
        self._tidied = tidied
        self._begun_anew = begun_anew
        self._batches: queue.SimpleQueue[Unsaved | None] = queue.SimpleQueue()
        self._written = threading.Event()
        """Set when all is written that there will be."""
        self._connection: sqlite3.Connection | None = None
        self._unfiled = Unfiled()
        self._begins = 0
        """The number of a file that is empty still; 0: it is not."""
        self._behind = False
        """Whether what waits to be filed is read from the journal: there is more than can be kept, or another file."""
        self._log_is_long = False
        self._tidy_at = time.monotonic()
        self._trouble: str | None = None
        self._writing = threading.Thread(target=self._write, name="calls-writer", daemon=True)
        self._checkpointing = threading.Thread(target=self._make_checkpoints, name="calls-checkpoint", daemon=True)

    def start(self) -> None:
        """Begins to wait for batches."""
        self._writing.start()
        self._checkpointing.start()

    def submit(self, batch: Unsaved) -> None:
        """Hands over a batch, which nobody changes any more; it is committed behind those before it."""
        self._batches.put(batch)

    def stop(self) -> None:
        """Has what was handed over committed and filed, then the log moved into the database; `busy` says how long."""
        self._batches.put(None)

    @property
    def busy(self) -> bool:
        """Whether there is still something to do; once all is committed nothing of it is needed."""
        return self._checkpointing.is_alive()

    # ------------------------------------------------------------ commits

    def _write(self) -> None:
        while True:
            try:
                batch = self._batches.get(timeout=max(0.0, self._tidy_at - time.monotonic()))
            except queue.Empty:
                self._tidy()
                continue
            if batch is None:
                break
            began = time.perf_counter()
            failure = self._commit(batch)
            self._finished(failure, time.perf_counter() - began)
            if time.monotonic() >= self._tidy_at:
                self._tidy()
            if self._log_is_long:
                self._move_log()
        until = time.monotonic() + _LAST_TIDYING
        while self._tidy(last=True) and time.monotonic() < until:
            pass
        close(self._connection)
        self._written.set()

    def _commit(self, batch: Unsaved) -> str | None:
        """Returns None, or why it failed."""
        if self._begins and batch.begins != self._begins:
            return "the file was lost"
        try:
            entry, body = batch.entry()
            number = append(self._open(), body)
        except sqlite3.Error as error:
            self._close()
            trouble = self._begin_anew(_said(error)) if _damaged(error) else None
            return trouble or _said(error)
        except Exception as error:  # the thread must not end: everybody waits for it
            log.exception("a batch cannot be written")
            return _said(error)
        self._begins = 0
        if not self._behind:
            self._unfiled.take(number, entry)
            if len(self._unfiled) > MOST_UNFILED:
                self._read_the_journal()
        return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._file.connect()
        return self._connection

    def _close(self) -> None:
        """Takes a new connection the next time: this one may hold what cannot be rolled back."""
        close(self._connection)
        self._connection = None

    # ------------------------------------------------------------ filing and forgetting

    def _tidy(self, *, last: bool = False) -> bool:
        """Files some of what was committed, and forgets some of what is old. Returns whether there is more of it.

        `last`: only files, and begins no file that nobody would write any more.
        """
        more, trouble, damaged = False, None, False
        try:
            connection = self._open()
            more = self._file_some(connection)
            if not last:
                more = prune(connection, *self._times()) or more
        except Exception as error:  # the thread must not end: everybody waits for it
            if not isinstance(error, sqlite3.Error | ValueError):
                log.exception("what was committed cannot be filed")
            self._close()
            more, trouble, damaged = False, _said(error), _damaged(error)
        if damaged or not self._file.in_place():
            more, reason = False, trouble or "it is not where it was"
            if last:
                log.error("the file of calls was lost as the server stopped", reason=reason)
            else:
                trouble = self._begin_anew(reason)
        if trouble != self._trouble:
            self._trouble = trouble
            self._tidied(trouble)
        if not more:
            self._tidy_at = time.monotonic() + _TIDY_EVERY
        return more

    def _begin_anew(self, reason: str) -> str | None:
        """Goes on with an empty file, into which the live calls are written again. Returns None, or why it cannot."""
        self._close()
        self._read_the_journal()
        try:
            self._file.begin_anew(reason)
        except (OSError, sqlite3.Error) as error:
            return _said(error)
        self._begins = self._file.begun
        self._begun_anew(self._begins)
        return None

    def _read_the_journal(self) -> None:
        """Files from now on what stands there, until nothing does."""
        self._unfiled.clear()
        self._behind = True

    def _file_some(self, connection: sqlite3.Connection) -> bool:
        if self._behind and not self._unfiled:
            for number, entry in oldest(connection):
                self._unfiled.take(number, entry)
            self._behind = bool(self._unfiled)
        if self._unfiled:
            file(connection, self._unfiled)
        return self._behind or bool(self._unfiled)

    # ------------------------------------------------------------ checkpoints

    def _move_log(self) -> None:
        """Moves all of the log while nobody commits, and waits a moment for those who read: then it begins anew."""
        self._log_is_long = False
        try:
            connection = self._open()
            _checkpoint(connection, "PASSIVE")
            connection.execute(f"PRAGMA busy_timeout = {_READERS_TAKE}").fetchall()
            _checkpoint(connection, "RESTART")
            connection.execute(f"PRAGMA busy_timeout = {WAITS * 1000:.0f}").fetchall()
        except sqlite3.Error:
            self._close()  # the next commit meets the same trouble, and says so

    def _make_checkpoints(self) -> None:
        connection: sqlite3.Connection | None = None
        begun, last = 0, False
        while not last:
            last = self._written.wait(_CHECKPOINT_EVERY)
            try:
                if connection is None or begun != self._file.begun:
                    close(connection)
                    begun, connection = self._file.begun, self._file.connect()
                    connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAITS}").fetchall()
                self._log_is_long = _checkpoint(connection, "TRUNCATE" if last else "PASSIVE") > LONGEST_LOG
            except sqlite3.Error:
                close(connection)
                connection = None  # the writer meets the same trouble, and says so
        close(connection)


def _checkpoint(connection: sqlite3.Connection, kind: str) -> int:
    """Moves the log; `PASSIVE`: what it can, waiting for nobody. Returns how many pages it had."""
    pages: int = connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()[1]
    return pages


def _damaged(error: Exception) -> bool:
    """Says whether the database itself is at fault; of its subclasses, none is about that."""
    return type(error) is sqlite3.DatabaseError


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
