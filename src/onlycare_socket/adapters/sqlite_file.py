"""The file of the SQLite store: held by one server at a time, brought to this version's schema, set aside when broken.

A server that cannot read its file starts all the same, with an empty one: phones that ring tonight are worth more than
the calls of yesterday. The file that it could not read is kept beside it, and the log says so.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path
from typing import Final, TypeVar

import structlog

from onlycare_socket.adapters.sqlite_tables import NewerFile, migrate

log = structlog.get_logger(__name__)

WAITS: Final = 5.0
"""Seconds that a statement waits for a lock that another process holds: an operator with a shell of SQLite's."""

_CACHE: Final = 8_000
"""KB of pages that a connection keeps: as many as one transaction of `sqlite_filing` changes."""

MOST_SET_ASIDE: Final = 20
"""Broken databases that are kept beside the file, for whoever looks into it. What breaks after those is deleted."""
_SUFFIXES: Final = ("-wal", "-shm", "")
"""The files that make up a database; the one that counts is moved last."""

T = TypeVar("T")


class FileInUse(Exception):
    """Another server holds the file."""


class CallsFile:
    """A database that one process holds alone."""

    def __init__(self, path: Path, *, full_sync: bool = False) -> None:
        """`full_sync`: a commit survives a power cut too, and takes as long as the disk needs."""
        self.path: Final = path.absolute()
        self._full_sync = full_sync
        self._lock: int | None = None
        self._place: tuple[int, int] | None = None
        """Which file it is; None until it is made."""
        self._kept: Path | None = None
        self.begun = 1
        """How many databases this process has used: a connection to a former one is of no use."""

    def hold(self) -> None:
        """Takes the file for this process, and makes one when there is none.

        Raises FileInUse, and OSError when the folder or the file cannot be had.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not the database itself: closing any descriptor of it drops the locks that SQLite holds on it.
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise FileInUse(f"{self.path} is in use by another server; stop that one, or choose another file") from None
        self._lock = lock
        try:
            self._place = self._make()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Lets another process have the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def connect(self) -> sqlite3.Connection:
        """Returns a connection, for one thread at a time. Raises sqlite3.Error, also when there is no file."""
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=WAITS, isolation_level=None, check_same_thread=False
        )
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise sqlite3.OperationalError(f"{self.path.parent} is on a file system without shared memory")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._full_sync else 'NORMAL'}")
            # Checkpoints are made by a connection of their own, so that no commit waits for one.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(f"PRAGMA cache_size = -{_CACHE}")
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
        return connection

    def in_place(self) -> bool:
        """Says whether the file is where it was; else what is written goes into one that nobody will find."""
        try:
            return _place(os.stat(self.path)) == self._place
        except OSError:
            return False

    def begin_anew(self, reason: str) -> None:
        """Sets the database aside, if it is still there, and makes an empty one. Raises OSError and sqlite3.Error.

        To be called again after it failed: then it goes on with what it has made.
        """
        if self._place is not None:
            self._kept = self._set_aside("broken")
            self._place = None
        place = self._make()
        self._read(lambda connection: None)
        self._place = place
        self.begun += 1
        log.error(
            "the file of calls was damaged or moved while in use; a new one is begun with the live calls",
            file=str(self.path),
            kept_as=_there(self._kept),
            reason=reason,
        )

    def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Returns what `read` makes of the file, at this version's schema; one that cannot be read is set aside first.

        `read` raises sqlite3.DatabaseError or ValueError for what it cannot read. Raises sqlite3.Error when a new file
        cannot be read either, and OSError when the broken one cannot be moved.
        """
        try:
            return self._read(read)
        except (sqlite3.DatabaseError, ValueError) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # the disk or the rights on it: the file itself may be sound
            kept = self._set_aside("newer" if isinstance(error, NewerFile) else "broken")
            log.error(
                "the file of calls cannot be read; it is kept, and the server starts with an empty one",
                file=str(self.path),
                kept_as=_there(kept),
                reason=str(error) if isinstance(error, sqlite3.Error) else f"a record is broken: {error}",
            )
        self._place = self._make()
        return self._read(read)

    def _set_aside(self, why: str) -> Path:
        """Renames the database, and returns its new name; a broken one is deleted when there are too many of them."""
        name = f"{self.path}.{why}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        names = chain((name,), (f"{name}-{number}" for number in count(2)))
        kept = next(each for each in names if not Path(each).exists())
        found = self.path.parent.glob(f"{self.path.name}.broken-*")
        broken = [each for each in found if not each.name.endswith(_SUFFIXES[:2])]
        delete = why == "broken" and len(broken) >= MOST_SET_ASIDE
        for suffix in _SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                one = Path(f"{self.path}{suffix}")
                if delete:
                    one.unlink()
                else:
                    one.rename(f"{kept}{suffix}")
        return Path(kept)

    def _make(self) -> tuple[int, int]:
        """Makes an empty file when there is none, and returns which it is; nobody else may read it.

        SQLite gives its other files these rights. To be called while this process has no connection to it.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            return _place(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection = self.connect()
        try:
            migrate(connection)
            return read(connection)
        finally:
            connection.close()


def _there(kept: Path | None) -> str:
    return str(kept) if kept is not None and kept.exists() else ""


def _place(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def close(connection: sqlite3.Connection | None) -> None:
    """Closes a connection, if there is one, whatever state it is in."""
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
