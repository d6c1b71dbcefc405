"""The thread that commits: whatever waits goes into one transaction, and the loop never waits for the disk.

A second thread makes the checkpoints, by a connection of its own: a commit appends to the log, and what moves the log
into the database must hold up none.
"""

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Final

from msgspec import Struct

_CHECKPOINT_EVERY: Final = 1.0
"""Seconds between two checkpoints."""

_PRUNE_AT_ONCE: Final = 200
"""Ended calls that one commit forgets at the most: the next commit must not wait for long."""

CallRow = tuple[str, str, str, int, int | None, bytes]
StepsRow = tuple[str, int, bytes]
EarlyRow = tuple[int, int, bytes]

_KEEP_CALL: Final = """
    INSERT INTO calls (id, caller, receiver, created, ended, body) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        caller = excluded.caller, receiver = excluded.receiver, created = excluded.created,
        ended = excluded.ended, body = excluded.body
"""
_KEEP_STEPS: Final = "INSERT OR REPLACE INTO steps (call, number, body) VALUES (?, ?, ?)"
_KEEP_EARLY: Final = "INSERT OR REPLACE INTO early (number, until, body) VALUES (?, ?, ?)"
_OLD: Final = "SELECT id FROM calls WHERE ended < ? ORDER BY ended LIMIT ?"


class Batch(Struct, frozen=True):
    """What one commit writes. Calls stand in it once, as they are at its end."""

    calls: list[CallRow]
    steps: list[StepsRow]
    early: list[EarlyRow]
    forget_ended: int | None = None
    """Forgets some of the calls that ended before this time, in ms since 1970, and early commands of before it."""
    now: int = 0
    """ms since 1970: early commands whose time is over are forgotten, too."""


class Writer:
    """Commits one batch after the other on a thread of its own."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], finished: Callable[[str | None], None]) -> None:
        """`finished` is called on the writer's thread for each batch: with None, or with why it was not written."""
        self._connect = connect
        self._finished = finished
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, name="calls-writer", daemon=True),
            threading.Thread(target=self._check_points, name="calls-checkpoint", daemon=True),
        ]

    def start(self) -> None:
        """Begins to wait for batches."""
        for thread in self._threads:
            thread.start()

    def submit(self, batch: Batch) -> None:
        """Hands over a batch; it is committed behind those before it."""
        self._batches.put(batch)

    def stop(self) -> None:
        """Writes what was handed over, moves the log into the database, and ends. Blocks meanwhile."""
        self._batches.put(None)
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        while (batch := self._batches.get()) is not None:
            try:
                if connection is None:
                    connection = self._connect()
                commit(connection, batch)
                failure = None
            except sqlite3.Error as error:
                # The next batch tries with a new connection: this one may hold what cannot be rolled back.
                failure = str(error) or type(error).__name__
                close(connection)
                connection = None
            self._finished(failure)
        close(connection)

    def _check_points(self) -> None:
        connection: sqlite3.Connection | None = None
        last = False
        while not last:
            last = self._stopped.wait(_CHECKPOINT_EVERY)
            if last:
                self._threads[0].join()
            try:
                if connection is None:
                    connection = self._connect()
                # PASSIVE takes what it can without waiting for anybody; the last one leaves an empty log behind.
                connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if last else 'PASSIVE'})").fetchall()
            except sqlite3.Error:
                close(connection)
                connection = None  # the writer meets the same trouble, and says so
        close(connection)


def commit(connection: sqlite3.Connection, batch: Batch) -> None:
    """Writes a batch, all of it or nothing. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if batch.forget_ended is not None:
            _forget(connection, batch.forget_ended, batch.now)
        if batch.calls:
            connection.executemany(_KEEP_CALL, batch.calls)
        if batch.steps:
            connection.executemany(_KEEP_STEPS, batch.steps)
        if batch.early:
            connection.executemany(_KEEP_EARLY, batch.early)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _forget(connection: sqlite3.Connection, before: int, now: int) -> None:
    old = connection.execute(_OLD, (before, _PRUNE_AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM steps WHERE call = ?", old)
    connection.executemany("DELETE FROM calls WHERE id = ?", old)
    connection.execute("DELETE FROM early WHERE until < ?", (now,))


def close(connection: sqlite3.Connection | None) -> None:
    """Closes a connection, if there is one, whatever state it is in."""
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
