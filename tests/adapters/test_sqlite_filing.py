"""Filing: a little at a time, so that what is filed may be in the journal still, and be read from there once more."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from onlycare_socket.adapters.sqlite_entry import Unsaved
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_filing import FILED_AT_ONCE, Unfiled, file
from onlycare_socket.adapters.sqlite_reading import read_call, read_ended_of, read_steps
from onlycare_socket.adapters.sqlite_tables import append, oldest
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.ids import CallId, UserId
from onlycare_socket.calls.states import State
from tests.phones import START
from tests.ports.adapters import a_call

from .sqlite_stores import early, opened, over, step


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    file = CallsFile(tmp_path / "calls.db")
    file.hold()
    file.read(lambda connection: None)
    with closing(file.connect()) as connection:
        yield connection
    file.release()


def commit(connection: sqlite3.Connection, unfiled: Unfiled, *calls: Call, what: str = "", fact: str = "") -> None:
    """Commits calls with a step each."""
    batch = Unsaved()
    for call in calls:
        batch.calls[call.id] = call
        if what:
            batch.log(call.id, step(what))
    if fact:
        batch.facts["kind", "key"] = (None, fact.encode())
    entry, body = batch.entry()
    unfiled.take(append(connection, body), entry)


def count(connection: sqlite3.Connection, table: str) -> int:
    (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert isinstance(found, int)
    return found


def what(connection: sqlite3.Connection, call: str) -> list[str]:
    return [step.what for step in read_steps(connection, CallId(call))]


def again(connection: sqlite3.Connection) -> None:
    """Files what the journal holds, as the process does that comes after a crash."""
    while entries := oldest(connection):
        unfiled = Unfiled()
        for number, entry in entries:
            unfiled.take(number, entry)
        while unfiled:
            file(connection, unfiled)


MANY = [a_call(str(number)) for number in range(FILED_AT_ONCE + 10)]


def test_what_is_filed_in_part_is_there_once(connection: sqlite3.Connection) -> None:
    unfiled = Unfiled()
    commit(connection, unfiled, *MANY, what="first")
    commit(connection, unfiled, *[over(call) for call in MANY], what="second")
    file(connection, unfiled)
    assert (len(unfiled), count(connection, "calls"), count(connection, "journal")) == (10, FILED_AT_ONCE, 2)
    for id_ in ("0", str(FILED_AT_ONCE + 9)):
        assert what(connection, id_) == ["first", "second"], "filed or not"
        found = read_call(connection, CallId(id_), 0)
        assert found is not None
        assert found.state is State.ENDED
    again(connection)
    assert (count(connection, "calls"), count(connection, "journal")) == (len(MANY), 0)
    for call in MANY:
        assert what(connection, call.id) == ["first", "second"]
    ended = read_ended_of(connection, MANY[0].caller.user, START, 10_000)
    assert len(ended) == len({call.id for call in ended}) == len(MANY)


def test_an_entry_goes_when_all_of_it_is_filed_and_no_later_one_goes_before(connection: sqlite3.Connection) -> None:
    unfiled = Unfiled()
    commit(connection, unfiled, *MANY[:FILED_AT_ONCE], what="first")
    commit(connection, unfiled, *MANY[FILED_AT_ONCE:], what="first")
    commit(connection, unfiled, MANY[0], what="second")
    file(connection, unfiled)
    assert [number for number, _ in oldest(connection)] == [2, 3], "the third is filed, but is behind the second"
    assert what(connection, "0") == ["first", "second"]
    commit(connection, unfiled, MANY[0], what="third")
    assert what(connection, "0") == ["first", "second", "third"]
    file(connection, unfiled)
    assert (bool(unfiled), count(connection, "journal")) == (False, 0)
    assert what(connection, "0") == ["first", "second", "third"]


def test_numbers_are_not_given_twice(connection: sqlite3.Connection) -> None:
    """Else a timeline would take what is new for what it has."""
    unfiled = Unfiled()
    for number in range(3):
        commit(connection, unfiled, MANY[0], what=f"step {number}")
        file(connection, unfiled)
        assert count(connection, "journal") == 0
    assert what(connection, "0") == ["step 0", "step 1", "step 2"]


def test_the_newest_word_stays(connection: sqlite3.Connection) -> None:
    """Of calls and facts, also when older entries are read again."""
    unfiled = Unfiled()
    commit(connection, unfiled, *MANY, fact="older")
    commit(connection, unfiled, replace(MANY[0], version=2), fact="newer")
    file(connection, unfiled)
    assert count(connection, "journal") == 2
    again(connection)
    found = read_call(connection, CallId("0"), 0)
    assert found is not None
    assert found.version == 2
    assert connection.execute("SELECT body FROM facts").fetchall() == [(b"newer",)]


def test_early_commands_alone_are_filed(connection: sqlite3.Connection) -> None:
    unfiled, batch = Unfiled(), Unsaved()
    batch.early.append(early())
    entry, body = batch.entry()
    unfiled.take(append(connection, body), entry)
    file(connection, unfiled)
    assert (count(connection, "early"), count(connection, "journal"), bool(unfiled)) == (1, 0, False)


def test_an_empty_entry_is_no_obstacle(connection: sqlite3.Connection) -> None:
    append(connection, Unsaved().entry()[1])
    again(connection)
    assert count(connection, "journal") == 0


async def test_notes_stand_where_they_were_made(tmp_path: Path) -> None:
    """They wait, and go with what is decided next on their call: before it in its timeline."""
    path = tmp_path / "calls.db"
    async with opened(path, ended_calls=1) as here:
        call = a_call("1")
        await here.put(call, steps=((call.id, step("dialled")),))
        here.store.note(call.id, lambda now, call: (replace(call, version=2), step("told")))
        here.store.note(CallId("unknown"), lambda now, call: (call, step("never")))
        await here.put(over(replace(call, version=2)), steps=((call.id, step("over")),))
        here.store.note(call.id, lambda now, call: (call, step("told the end")))
        for number in range(2, 5):
            await here.put(over(a_call(str(number), "3", "4")))
        assert await here.timeline("1") == ["dialled", "told", "over", "told the end"], "from the file"
        found = await here.find("1")
        assert found is not None
        assert (found.version, found.caller.user) == (3, UserId("5"))
