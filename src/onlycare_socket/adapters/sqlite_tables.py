"""The tables of the SQLite store: a journal that commits append to, and the calls, filed from it by their ids.

A commit is one row of the journal: it writes hardly more than its own bytes. Up to a second later its calls are filed,
each once, whatever became of it meanwhile, from the memory of who committed them. A crash in between loses nothing: the
next process files what it finds in the journal, and who reads the tables reads the journal as well (`sqlite_reading`).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from msgspec import json

from onlycare_socket.adapters.sqlite_entry import CallRow, Entry, Fact, FactKey, decode_entry, packed
from onlycare_socket.calls.call import Early

MIGRATIONS: Final[tuple[str, ...]] = (
    # The tables of a try-out before 1.0, not carried over. In a database of somebody else this fails.
    "CREATE TABLE calls (id); CREATE TABLE steps (call); CREATE TABLE early (number)",
    """
    DROP TABLE calls;
    DROP TABLE steps;
    DROP TABLE early;
    CREATE TABLE journal (
        number INTEGER PRIMARY KEY,
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
        steps BLOB NOT NULL,         -- its timeline, in pieces: four bytes with the length, then msgpack
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

FILED_AT_ONCE: Final = 200
"""Calls and facts that one transaction files, about: the next commit waits for it."""
PRUNED_AT_ONCE: Final = 200
"""Calls that one transaction forgets at the most, for the same reason."""
LONGEST_TIMELINE: Final = 32 * 1024
"""Bytes of the beginning of a timeline, and as many of its end; of a longer one the middle is left out."""
PIECE_SIZE: Final = 4
"""Bytes of the length of a piece of a timeline."""

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


# ---------------------------------------------------------------- filing

# One statement for all calls: a thread lets go of the interpreter for each, and waits to have it back. JSON holds no
# bytes, so it says where they are in the second parameter.
_FILE_CALLS: Final = """
    INSERT INTO calls (id, caller, receiver, created, ended, body, steps)
    SELECT
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'),
        substr(?2, json_extract(value, '$[5]'), json_extract(value, '$[6]')),
        substr(?2, json_extract(value, '$[7]'), json_extract(value, '$[8]'))
    FROM json_each(?1) WHERE true
    ON CONFLICT (id) DO UPDATE SET
        caller = excluded.caller, receiver = excluded.receiver, created = excluded.created,
        ended = excluded.ended, body = excluded.body,
        steps = CASE
            WHEN created <> excluded.created THEN excluded.steps -- the id of a forgotten call, dialled anew
            WHEN length(steps) > ?3 THEN steps
            ELSE CAST(steps || excluded.steps AS BLOB)
        END,
        tail = CASE
            WHEN created <> excluded.created OR length(steps) <= ?3 THEN x''
            WHEN length(tail) > ?3 THEN excluded.steps
            ELSE CAST(tail || excluded.steps AS BLOB)
        END
"""
_OLDEST: Final = "SELECT number, body FROM journal ORDER BY number LIMIT ?"
_FILE_STEPS: Final = """
    UPDATE calls SET
        steps = CASE WHEN length(steps) > ?3 THEN steps ELSE CAST(steps || ?1 AS BLOB) END,
        tail = CASE
            WHEN length(steps) <= ?3 THEN x''
            WHEN length(tail) > ?3 THEN ?1
            ELSE CAST(tail || ?1 AS BLOB)
        END
    WHERE id = ?2
"""
_FILE_EARLY: Final = """
    INSERT INTO early (call, user, kind, caller, receiver, until, body) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET until = excluded.until
"""
_FILE_FACT: Final = "INSERT OR REPLACE INTO facts (kind, key, until, body) VALUES (?, ?, ?, ?)"
_DROP_FACT: Final = "DELETE FROM facts WHERE kind = ? AND key = ?"


Numbered = tuple[int, Entry]
"""An entry of the journal and its number there."""


def oldest(connection: sqlite3.Connection) -> list[Numbered]:
    """Returns the oldest entries of the journal. Raises sqlite3.Error, and ValueError for an entry that is none."""
    return [(number, decode_entry(body)) for number, body in connection.execute(_OLDEST, (_ENTRIES_AT_ONCE,))]


def file(connection: sqlite3.Connection, entries: Iterable[Numbered]) -> int:
    """Files the first of these entries in one transaction: the oldest of the journal. Returns how many they were.

    Raises sqlite3.Error.
    """
    calls: dict[str, CallRow] = {}
    steps: dict[str, list[bytes]] = {}
    early: list[Early] = []
    facts: dict[FactKey, Fact] = {}
    filed = last = 0
    for filed, (last, (changed, taken, said, known)) in enumerate(entries, 1):  # noqa: B007 - how many there were
        calls.update((row[0], row) for row in changed)
        for call, piece in taken:
            steps.setdefault(call, []).append(piece)
        early += said
        facts.update(known)
        if len(calls) + len(facts) >= FILED_AT_ONCE:
            break
    if filed:
        with transaction(connection, "IMMEDIATE"):
            _file_calls(connection, calls, {call: _timeline(pieces) for call, pieces in steps.items()})
            connection.executemany(_FILE_EARLY, map(_early_row, early))
            connection.executemany(_FILE_FACT, [(*key, *fact) for key, fact in facts.items() if fact is not None])
            connection.executemany(_DROP_FACT, [key for key, fact in facts.items() if fact is None])
            connection.execute("DELETE FROM journal WHERE number <= ?", (last,))
    return filed


def _file_calls(connection: sqlite3.Connection, calls: Mapping[str, CallRow], timelines: Mapping[str, bytes]) -> None:
    """Writes rows as JSON, with the places of their bytes in one string of bytes; the first byte is 1."""
    rows: list[tuple[str | int | None, ...]] = []
    pieces: list[bytes] = []
    at = 1
    for id_, caller, receiver, created, ended, body in calls.values():
        timeline = timelines.get(id_, b"")
        then = at + len(body)
        rows.append((id_, caller, receiver, created, ended, at, len(body), then, len(timeline)))
        pieces += (body, timeline)
        at = then + len(timeline)
    if rows:
        connection.execute(_FILE_CALLS, (json.encode(rows).decode(), b"".join(pieces), LONGEST_TIMELINE))
    for id_ in timelines.keys() - calls.keys():
        connection.execute(_FILE_STEPS, (timelines[id_], id_, LONGEST_TIMELINE))


def _timeline(pieces: Iterable[bytes]) -> bytes:
    return b"".join([len(piece).to_bytes(PIECE_SIZE, "big") + piece for piece in pieces])


def _early_row(early: Early) -> tuple[str, str, str, str, str, int, bytes]:
    return (
        early.call,
        early.user,
        early.kind,
        early.caller or "",
        early.receiver or "",
        early.until,
        packed(early),
    )


# ---------------------------------------------------------------- forgetting

_PRUNE: Final = "DELETE FROM calls WHERE number IN (SELECT number FROM calls WHERE ended < ? ORDER BY ended LIMIT ?)"


def prune(connection: sqlite3.Connection, now: int, oldest: int) -> bool:
    """Forgets some calls that ended before `oldest`, early commands and facts whose time is over; ms since 1970.

    Returns whether there may be more of them. Raises sqlite3.Error.
    """
    connection.execute("DELETE FROM early WHERE until < ?", (now,))
    connection.execute("DELETE FROM facts WHERE until < ?", (now,))
    return connection.execute(_PRUNE, (oldest, PRUNED_AT_ONCE)).rowcount == PRUNED_AT_ONCE
