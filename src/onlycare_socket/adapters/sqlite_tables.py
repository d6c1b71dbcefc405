"""The tables of the SQLite store: a journal that commits append to, and the calls, filed from it by their ids.

A commit is one row of the journal: it writes hardly more than its own bytes. Up to a second later its calls are filed,
each once, whatever became of it meanwhile, from the memory of who committed them. A crash in between loses nothing: the
next process files what it finds in the journal, and who reads the tables reads the journal as well (`sqlite_reading`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from onlycare_socket.adapters.sqlite_entry import Entry, decode_entry

MIGRATIONS: Final[tuple[str, ...]] = (
    # The tables of a try-out before 1.0, not carried over. In a database of somebody else this fails.
    "CREATE TABLE calls (id); CREATE TABLE steps (call); CREATE TABLE early (number)",
    """
    DROP TABLE calls;
    DROP TABLE steps;
    DROP TABLE early;
    CREATE TABLE journal (
        number INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: timelines know by it what they have
        body BLOB NOT NULL           -- what one commit changed, by msgpack
    );
    CREATE TABLE calls (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        caller TEXT NOT NULL,
        receiver TEXT NOT NULL,
        created INTEGER NOT NULL,    -- ms since 1970
        ended INTEGER,               -- ms since 1970; NULL while it is live
        body BLOB NOT NULL,          -- the whole call, by msgpack
        steps BLOB NOT NULL,         -- its timeline, in pieces (`sqlite_filing.piece`)
        tail BLOB NOT NULL DEFAULT x'' -- what came when `steps` was full: the newest pieces
    );
    CREATE INDEX calls_live ON calls (number) WHERE ended IS NULL;
    CREATE INDEX calls_ended ON calls (ended) WHERE ended IS NOT NULL;
    CREATE INDEX calls_caller ON calls (caller, ended) WHERE ended IS NOT NULL;
    CREATE INDEX calls_receiver ON calls (receiver, ended) WHERE ended IS NOT NULL;
    CREATE TABLE early (             -- commands on calls that nobody has dialled yet
        call TEXT NOT NULL,
        user TEXT NOT NULL,
        kind TEXT NOT NULL,
        caller TEXT NOT NULL,        -- empty when it names none
        receiver TEXT NOT NULL,
        until INTEGER NOT NULL,      -- ms since 1970
        body BLOB NOT NULL,          -- as it was first said, by msgpack
        PRIMARY KEY (call, user, kind, caller, receiver)
    );
    CREATE TABLE facts (             -- what else the next process is to know
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        until INTEGER,               -- ms since 1970; NULL: until it is dropped
        body BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;
    CREATE INDEX facts_until ON facts (until) WHERE until IS NOT NULL;
    """,
)
"""What leads from each schema to the next one. A file says by its `user_version` how many of them it has."""

PRUNED_AT_ONCE: Final = 200
"""Calls that one transaction forgets at the most: the next commit waits for it."""

_ENTRIES_AT_ONCE: Final = 100


class NewerFile(sqlite3.DatabaseError):
    """The file is of a newer version of this server."""


def migrate(connection: sqlite3.Connection) -> None:
    """Brings a database to this version's schema, step by step, each wholly or not at all. Raises NewerFile."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise NewerFile(f"it is of a newer version of this server (schema {version}, known up to {len(MIGRATIONS)})")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT")


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Runs the block in a transaction of this kind, `IMMEDIATE` to write or `DEFERRED` to read."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def append(connection: sqlite3.Connection, entry: bytes) -> int:
    """Commits an entry of the journal, and returns its number. Raises sqlite3.Error."""
    return connection.execute("INSERT INTO journal (body) VALUES (?)", (entry,)).lastrowid or 0


_OLDEST: Final = "SELECT number, body FROM journal ORDER BY number LIMIT ?"

Numbered = tuple[int, Entry]
"""An entry of the journal and its number there."""


def oldest(connection: sqlite3.Connection) -> list[Numbered]:
    """Returns the oldest entries of the journal. Raises sqlite3.Error, and ValueError for an entry that is none."""
    return [(number, decode_entry(body)) for number, body in connection.execute(_OLDEST, (_ENTRIES_AT_ONCE,))]


_PRUNE: Final = "DELETE FROM calls WHERE number IN (SELECT number FROM calls WHERE ended < ? ORDER BY ended LIMIT ?)"


def prune(connection: sqlite3.Connection, now: int, oldest: int) -> bool:
    """Forgets some calls that ended before `oldest`, early commands and facts whose time is over; ms since 1970.

    Returns whether there may be more of them. Raises sqlite3.Error.
    """
    connection.execute("DELETE FROM early WHERE until < ?", (now,))
    connection.execute("DELETE FROM facts WHERE until < ?", (now,))
    return connection.execute(_PRUNE, (oldest, PRUNED_AT_ONCE)).rowcount == PRUNED_AT_ONCE
