"""What the file of the SQLite store knows, filed or still in the journal, as one picture."""

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import msgpack
from msgspec.structs import replace

from onlycare_socket.adapters.kept import shortened
from onlycare_socket.adapters.sqlite_entry import decode_entry
from onlycare_socket.adapters.sqlite_filing import pieces_of
from onlycare_socket.adapters.sqlite_tables import Numbered, transaction
from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.ids import CallId, Millis, UserId
from onlycare_socket.calls.terms import Terms

_decode_call: Final = msgpack.Decoder(Call).decode
_decode_early: Final = msgpack.Decoder(Early).decode
_decode_steps: Final = msgpack.Decoder(list[Step]).decode

_REMEMBERED: Final = Terms().remember
"""ms that an early command lasts at the most, whatever became of the wall clock."""


class Estate(NamedTuple):
    """What a former process left."""

    live: list[tuple[Call, list[Step]]]
    """With their timelines, in the order in which they were dialled."""
    ended: list[Call]
    """In the order in which they were dialled."""
    left_out: Millis | None
    """When the newest of those ended that were too many."""
    early: list[Early]
    facts: dict[str, dict[str, bytes]]
    """By kind and key."""


def read_estate(connection: sqlite3.Connection, now: Millis, oldest: int, most_ended: int) -> Estate:
    """Returns the live calls, the newest of those that ended at `oldest` or later, early commands and facts.

    To be called when all of the journal is filed. Raises sqlite3.Error and ValueError.
    """
    with transaction(connection, "DEFERRED"):
        live = connection.execute(_LIVE).fetchall()
        ended = connection.execute(
            # In the order in which they were dialled: their times are of clocks that may have been set since.
            "SELECT body FROM calls WHERE ended >= ? ORDER BY number DESC LIMIT ?",
            (oldest, most_ended + 1),
        ).fetchall()
        early = connection.execute("SELECT body, until FROM early WHERE until > ? ORDER BY until", (now,)).fetchall()
        known = connection.execute("SELECT kind, key, body FROM facts WHERE until IS NULL OR until > ?", (now,))
        facts: dict[str, dict[str, bytes]] = {}
        for kind, key, body in known:
            facts.setdefault(kind, {})[key] = body
    over = [_decode_call(body) for (body,) in ended]
    return Estate(
        live=[(_decode_call(body), shortened(_timeline(timeline))) for body, timeline in live],
        ended=over[most_ended - 1 :: -1] if most_ended else [],
        left_out=over[most_ended].ended if len(over) > most_ended else None,
        early=[replace(_decode_early(body), until=min(until, now + _REMEMBERED)) for body, until in early],
        facts=facts,
    )


def read_call(connection: sqlite3.Connection, call: CallId, oldest: int) -> Call | None:
    """Returns a call, unless it ended before `oldest`. Raises sqlite3.Error and ValueError."""
    with transaction(connection, "DEFERRED"):
        row = connection.execute("SELECT body FROM calls WHERE id = ?", (call,)).fetchone()
        found = _decode_call(row[0]) if row else None
        for _, (changed, _, _, _) in _journal(connection, call):
            found = next((_decode_call(body) for id_, *_, body in changed if id_ == call), found)
    return found if found is not None and (found.ended is None or found.ended >= oldest) else None


def read_steps(connection: sqlite3.Connection, call: CallId) -> tuple[Step, ...]:
    """Returns the timeline of a call. Raises sqlite3.Error and ValueError."""
    with transaction(connection, "DEFERRED"):
        row = connection.execute("SELECT CAST(steps || tail AS BLOB) FROM calls WHERE id = ?", (call,)).fetchone()
        pieces = dict(pieces_of(row[0])) if row else {}
        for number, (_, taken, _, _) in _journal(connection, call):
            pieces.update((number, piece) for id_, piece in taken if id_ == call)
    return tuple(shortened([step for piece in pieces.values() for step in _decode_steps(piece)]))


def read_ended_of(connection: sqlite3.Connection, user: UserId, oldest: int, limit: int) -> list[Call]:
    """Returns calls of a user that ended at `oldest` or later, newest first. Raises sqlite3.Error and ValueError."""
    with transaction(connection, "DEFERRED"):
        rows = connection.execute(_ENDED_OF, (user, oldest, limit)).fetchall()
        found: dict[str, Call] = {call.id: call for call in (_decode_call(body) for (body,) in rows)}
        for _, (changed, _, _, _) in _journal(connection, user):
            found |= {id_: _decode_call(body) for id_, *parties, _, _, body in changed if user in parties}
    calls = [call for call in found.values() if call.ended is not None and call.ended >= oldest]
    return sorted(calls, key=lambda call: call.created, reverse=True)[:limit]


_LIVE: Final = "SELECT body, CAST(steps || tail AS BLOB) FROM calls WHERE ended IS NULL ORDER BY number"
_ENDED_OF: Final = """
    SELECT body FROM calls WHERE number IN (
        SELECT * FROM (SELECT number FROM calls WHERE caller = ?1 AND ended >= ?2 ORDER BY ended DESC LIMIT ?3)
        UNION
        SELECT * FROM (SELECT number FROM calls WHERE receiver = ?1 AND ended >= ?2 ORDER BY ended DESC LIMIT ?3)
    ) ORDER BY ended DESC LIMIT ?3
"""


def _journal(connection: sqlite3.Connection, id_: str) -> Iterator[Numbered]:
    """Yields the entries in which this id may stand: to look for its bytes takes a thousandth of decoding them."""
    mentioned = id_.encode("utf-8", "replace")
    asked = "SELECT number, body FROM journal WHERE instr(body, ?) ORDER BY number"
    for number, body in connection.execute(asked, (mentioned,)):
        yield number, decode_entry(body)


def _timeline(timeline: bytes) -> list[Step]:
    return [step for _, piece in pieces_of(timeline) for step in _decode_steps(piece)]
