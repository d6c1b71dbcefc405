"""The file of the SQLite store: held by one server at a time, brought to this version's schema, set aside when broken.

A server that cannot read its file starts all the same, with an empty one: phones that ring tonight are worth more than
the calls of yesterday. The file that it could not read is kept beside it, and the log says so.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

log = structlog.get_logger(__name__)

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE calls (
        id TEXT PRIMARY KEY,
        caller TEXT NOT NULL,
        receiver TEXT NOT NULL,
        created INTEGER NOT NULL,  -- ms since 1970
        ended INTEGER,             -- ms since 1970; NULL while it is live
        body BLOB NOT NULL         -- the whole call, by msgpack
    ) WITHOUT ROWID;
    CREATE INDEX calls_ended ON calls (ended);
    CREATE INDEX calls_caller ON calls (caller, created);
    CREATE INDEX calls_receiver ON calls (receiver, created);
    CREATE TABLE steps (
        call TEXT NOT NULL,
        number INTEGER NOT NULL,   -- in the order in which they were taken
        body BLOB NOT NULL,        -- some steps of one call, by msgpack
        PRIMARY KEY (call, number)
    ) WITHOUT ROWID;
    CREATE TABLE early (
        number INTEGER PRIMARY KEY,
        until INTEGER NOT NULL,    -- ms since 1970
        body BLOB NOT NULL         -- a command on a call that nobody has dialled yet, by msgpack
    );
    """,
)
"""What leads from each schema to the next one. A file says by its `user_version` how many of them it has."""

_BESIDE: Final = ("-wal", "-shm", "")
"""The files that make up a database; the one that counts is moved last."""

T = TypeVar("T")


class FileInUse(Exception):
    """Another server holds the file."""


class NewerFile(sqlite3.DatabaseError):
    """The file is of a newer version of this server."""


class CallsFile:
    """A database that this process holds alone."""

    def __init__(self, path: Path, *, full_sync: bool = False) -> None:
        """`full_sync`: a commit survives a power cut too, and takes as long as the disk needs."""
        self.path = path
        self._full_sync = full_sync
        self._lock: int | None = None

    def hold(self) -> None:
        """Takes the file for this process, and makes one when there is none.

        Raises FileInUse, and OSError when the folder or the file cannot be had.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not the database itself: closing any descriptor of it drops the locks that SQLite holds on it.
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._make()
        except BlockingIOError:
            os.close(lock)
            raise FileInUse(f"{self.path} is in use by another server") from None
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def release(self) -> None:
        """Lets another process have the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def connect(self) -> sqlite3.Connection:
        """Returns a connection, to be used by any one thread. Raises sqlite3.Error."""
        connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._full_sync else 'NORMAL'}")
            # Checkpoints are made by a connection of their own, so that no commit waits for one.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Returns what `read` makes of the file, at this version's schema; one that cannot be read is set aside first.

        `read` raises sqlite3.DatabaseError or ValueError for what it cannot read. Raises sqlite3.Error when a new file
        cannot be read either.
        """
        try:
            return self._read(read)
        except (sqlite3.DatabaseError, ValueError) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # the disk or the rights on it: the file itself may be sound
            kept = self.set_aside()
            log.error(
                "the file of calls cannot be read; it is kept, and the server starts with an empty one",
                file=str(self.path),
                kept_as=str(kept),
                reason=str(error) if isinstance(error, sqlite3.Error) else "a record is not what it should be",
            )
        self._make()
        return self._read(read)

    def set_aside(self) -> Path:
        """Renames the database, and returns its new name."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        kept = self.path.with_name(f"{self.path.name}.broken-{stamp}")
        for suffix in _BESIDE:
            Path(f"{self.path}{suffix}").replace(f"{kept}{suffix}") if Path(f"{self.path}{suffix}").exists() else None
        return kept

    def _make(self) -> None:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        connection = self.connect()
        try:
            migrate(connection)
            return read(connection)
        finally:
            connection.close()


def migrate(connection: sqlite3.Connection) -> None:
    """Brings a database to this version's schema, step by step, each wholly or not at all."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise NewerFile(f"it is of a newer version of this server (schema {version}, known up to {len(MIGRATIONS)})")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT")
