"""Filing: what was committed comes from the journal into the tables, each call once, whatever became of it meanwhile.

What waits for it is kept in memory, put together call by call, in the order in which it was first changed. It is filed
a little at a time, because the next commit waits; an entry of the journal is deleted when all that stands in it is
filed. So an entry may be read again after some of it was: a crash came in between, or too much waited. That does no
harm. What a later entry says comes later again, and a piece of a timeline carries the number of its entry, by which one
that is there already is known.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from msgspec import json

from onlycare_socket.adapters.sqlite_entry import CallRow, Entry, Fact, FactKey, packed
from onlycare_socket.adapters.sqlite_tables import oldest, transaction
from onlycare_socket.calls.call import Early

FILED_AT_ONCE: Final = 500
"""Calls, facts and early commands, each, that one transaction files: the next commit waits for it, some 10 ms.

The fewer there are, the more often the same pages are written: indexes spread the calls of one second over all of them.
"""
LONGEST_TIMELINE: Final = 32 * 1024
"""Bytes of the beginning of a timeline, and as many of its end; of a longer one the middle is left out."""

_NUMBER_SIZE: Final = 8
_PIECE_HEAD: Final = _NUMBER_SIZE + 4


class Changed:
    """A call as it is now, unless it stayed as it was, and the steps that came to it."""

    __slots__ = ("first", "pieces", "row")

    def __init__(self, first: int) -> None:
        self.first: Final = first
        """The entry since which it waits."""
        self.row: CallRow | None = None
        self.pieces: list[bytes] = []


class Unfiled:
    """What is in the journal and not in the tables; what waits longest comes first."""

    def __init__(self) -> None:
        self.calls: dict[str, Changed] = {}
        self.facts: dict[FactKey, tuple[int, Fact]] = {}
        """With the entry since which each waits."""
        self.early: list[tuple[int, Early]] = []
        """With their entries."""
        self.pieces = 0
        """How many pieces the calls have."""
        self.last = 0
        """The newest entry that was taken."""
        self.filed = 0
        """The newest entry of which nothing waits, nor of those before it."""

    def __bool__(self) -> bool:
        return self.filed < self.last

    def __len__(self) -> int:
        return len(self.calls) + len(self.facts) + len(self.early) + self.pieces

    def take(self, number: int, entry: Entry) -> None:
        """Takes an entry that is newer than all that were taken."""
        rows, pieces, early, facts = entry
        calls = self.calls
        for row in rows:
            changed = calls.get(row[0])
            if changed is None:
                changed = calls[row[0]] = Changed(number)
            changed.row = row
        for call, steps in pieces:
            changed = calls.get(call)
            if changed is None:
                changed = calls[call] = Changed(number)
            changed.pieces.append(piece(number, steps))
        for key, fact in facts:
            since = self.facts.get(key)
            self.facts[key] = (number if since is None else since[0], fact)
        for command in early:
            self.early.append((number, command))
        self.pieces += len(pieces)
        self.last = number

    def clear(self) -> None:
        """Forgets it all, and that there was anything: it is read from the journal, or from that of another file."""
        self.calls.clear()
        self.facts.clear()
        self.early.clear()
        self.pieces = self.last = self.filed = 0


def file(connection: sqlite3.Connection, unfiled: Unfiled) -> None:
    """Files some of what waits, in one transaction, and takes it out. Raises sqlite3.Error; then all of it waits."""
    calls = dict(islice(unfiled.calls.items(), FILED_AT_ONCE))
    facts = dict(islice(unfiled.facts.items(), FILED_AT_ONCE))
    early = unfiled.early[:FILED_AT_ONCE]
    waits_next = [changed.first for changed in islice(unfiled.calls.values(), len(calls), len(calls) + 1)]
    waits_next += [since for since, _ in islice(unfiled.facts.values(), len(facts), len(facts) + 1)]
    waits_next += [since for since, _ in unfiled.early[len(early) : len(early) + 1]]
    filed = min(waits_next, default=unfiled.last + 1) - 1
    with transaction(connection, "IMMEDIATE"):
        _file_calls(connection, calls)
        connection.executemany(_FILE_EARLY, [_early_row(command) for _, command in early])
        connection.executemany(_FILE_FACT, [(*key, *fact) for key, (_, fact) in facts.items() if fact is not None])
        connection.executemany(_DROP_FACT, [key for key, (_, fact) in facts.items() if fact is None])
        connection.execute("DELETE FROM journal WHERE number <= ?", (filed,))
    for call, changed in calls.items():
        del unfiled.calls[call]
        unfiled.pieces -= len(changed.pieces)
    for key in facts:
        del unfiled.facts[key]
    del unfiled.early[: len(early)]
    unfiled.filed = filed


def file_all(connection: sqlite3.Connection) -> None:
    """Files all that stands in the journal. Raises sqlite3.Error, and ValueError for an entry that is none."""
    unfiled = Unfiled()
    while entries := oldest(connection):
        for number, entry in entries:
            unfiled.take(number, entry)
        while unfiled:
            file(connection, unfiled)


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


def _file_calls(connection: sqlite3.Connection, calls: Mapping[str, Changed]) -> None:
    """Writes rows as JSON, with the places of their bytes in one string of bytes; the first byte is 1."""
    rows: list[tuple[str | int | None, ...]] = []
    bodies: list[bytes] = []
    at = 1
    for call, changed in calls.items():
        timeline = b"".join(changed.pieces)
        if changed.row is None:
            connection.execute(_FILE_STEPS, (timeline, call, LONGEST_TIMELINE))
            continue
        id_, caller, receiver, created, ended, body = changed.row
        then = at + len(body)
        rows.append((id_, caller, receiver, created, ended, at, len(body), then, len(timeline)))
        bodies += (body, timeline)
        at = then + len(timeline)
    if rows:
        connection.execute(_FILE_CALLS, (json.encode(rows).decode(), b"".join(bodies), LONGEST_TIMELINE))


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


# ---------------------------------------------------------------- timelines


def piece(number: int, steps: bytes) -> bytes:
    """Returns a piece of a timeline as it is filed: eight bytes with the number of its entry, four with its length."""
    return number.to_bytes(_NUMBER_SIZE, "big") + len(steps).to_bytes(_PIECE_HEAD - _NUMBER_SIZE, "big") + steps


def pieces_of(timeline: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the pieces of a timeline with the numbers of their entries, each once."""
    last = at = 0
    while at < len(timeline):
        begin = at + _PIECE_HEAD
        number = int.from_bytes(timeline[at : at + _NUMBER_SIZE], "big")
        at = begin + int.from_bytes(timeline[at + _NUMBER_SIZE : begin], "big")
        if number > last:
            last = number
            yield number, timeline[begin:at]
