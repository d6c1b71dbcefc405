"""Filing: a little at a time, so that what is filed may be in the journal still, and be read from there once more."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from onlycare_socket.adapters import sqlite_writer
from onlycare_socket.adapters.sqlite_entry import Unsaved
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_filing import FILED_AT_ONCE, Unfiled, file, file_all
from onlycare_socket.adapters.sqlite_reading import read_call, read_ended_of, read_estate, read_steps
from onlycare_socket.adapters.sqlite_tables import append, oldest
from onlycare_socket.adapters.sqlite_writer import Writer
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.ids import CallId, Millis, UserId
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


MANY = [a_call(str(number)) for number in range(FILED_AT_ONCE + 10)]


def test_what_is_filed_in_part_is_there_once(connection: sqlite3.Connection) -> None:
    unfiled = Unfiled()
    commit(connection, unfiled, *MANY, what="first")
    commit(connection, unfiled, *[over(call) for call in MANY], what="second")
    file(connection, unfiled)
    assert (len(unfiled.calls), count(connection, "calls"), count(connection, "journal")) == (10, FILED_AT_ONCE, 2)
    for id_ in ("0", str(FILED_AT_ONCE + 9)):
        assert what(connection, id_) == ["first", "second"], "filed or not"
        found = read_call(connection, CallId(id_), 0)
        assert found is not None
        assert found.state is State.ENDED
    file_all(connection)
    assert (count(connection, "calls"), count(connection, "journal")) == (len(MANY), 0)
    for call in MANY:
        assert what(connection, call.id) == ["first", "second"]
    ended = read_ended_of(connection, MANY[0].caller.user, START, 10_000)
    assert len(ended) == len({call.id for call in ended}) == len(MANY)


def test_a_live_call_that_is_filed_twice_is_taken_up_with_each_step_once(connection: sqlite3.Connection) -> None:
    unfiled = Unfiled()
    commit(connection, unfiled, *MANY, what="first")
    commit(connection, unfiled, *MANY, what="second")
    file(connection, unfiled)
    file_all(connection)
    for call, steps in read_estate(connection, Millis(START), 0, 10).live:
        assert [step.what for step in steps] == ["first", "second"], call.id


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
    file_all(connection)
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


def test_many_early_commands_are_filed_a_little_at_a_time(connection: sqlite3.Connection) -> None:
    unfiled = Unfiled()
    for half in range(2):
        batch = Unsaved()
        batch.early.extend(early(call=f"{half}-{number}") for number in range(FILED_AT_ONCE - 100))
        entry, body = batch.entry()
        unfiled.take(append(connection, body), entry)
    file(connection, unfiled)
    assert (count(connection, "early"), [number for number, _ in oldest(connection)]) == (FILED_AT_ONCE, [2])
    file(connection, unfiled)
    assert (count(connection, "early"), count(connection, "journal")) == (2 * (FILED_AT_ONCE - 100), 0)
    assert not unfiled


def test_an_empty_entry_is_no_obstacle(connection: sqlite3.Connection) -> None:
    append(connection, Unsaved().entry()[1])
    file_all(connection)
    assert count(connection, "journal") == 0


class Kept:
    """What was committed, as it must be found again."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.calls: dict[str, Call] = {}
        self.steps: dict[str, list[str]] = {}
        self.facts: dict[str, bytes] = {}
        self.said = 0

    def batch(self) -> Unsaved:
        """Some calls that changed, with a step each, and a fact."""
        batch = Unsaved()
        for _ in range(self.chance.choice((1, 1, 2, 3, 30))):
            self.said += 1
            id_, what = str(self.chance.randrange(900)), f"step {self.said}"
            before = self.calls.get(id_)
            self.calls[id_] = call = a_call(id_, version=1 if before is None else before.version + 1)
            self.steps.setdefault(id_, []).append(what)
            batch.calls[call.id] = call
            batch.log(call.id, step(what))
        key = f"key {self.chance.randrange(700)}"
        if self.chance.random() < 0.3:
            self.facts.pop(key, None)
            batch.facts["kind", key] = None
        else:
            self.facts[key] = str(self.said).encode()
            batch.facts["kind", key] = (None, self.facts[key])
        return batch

    def check(self, connection: sqlite3.Connection, call: str) -> None:
        """Whether a reader finds what is there, filed or not."""
        assert read_call(connection, CallId(call), 0) == self.calls[call]
        assert what(connection, call) == self.steps[call]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_between(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits, chunks of filing, more than memory may hold, and crashes, in any order."""
    kept, path = Kept(seed), tmp_path / "calls.db"
    monkeypatch.setattr(sqlite_writer, "MOST_UNFILED", kept.chance.choice((5, 300, 2_000, 50_000)))
    file_, writer = writing(path)
    for _ in range(500):
        assert writer._commit(kept.batch()) is None
        if kept.chance.random() < 0.02:
            for _ in range(kept.chance.choice((1, 2, 5))):
                writer._file_some(writer._open())
        if kept.chance.random() < 0.01:
            writer._close()
            file_.release()
            file_, writer = writing(path)
            crash_as_it_is_taken_up(writer._open(), kept.chance.random() < 0.5)
        if kept.chance.random() < 0.05:
            kept.check(writer._open(), kept.chance.choice(sorted(kept.calls)))
    connection = writer._open()
    while writer._file_some(connection):
        pass
    assert count(connection, "journal") == 0
    for call in kept.calls:
        kept.check(connection, call)
    assert dict(connection.execute("SELECT key, body FROM facts").fetchall()) == kept.facts
    writer._close()
    file_.release()


def writing(path: Path) -> tuple[CallsFile, Writer]:
    """A file, and a writer whose thread does not run."""
    file = CallsFile(path)
    file.hold()
    file.read(lambda connection: None)
    nobody: list[object] = []
    return file, Writer(
        file, lambda: (0, 0), finished=lambda *said: nobody.append(said), tidied=nobody.append, begun_anew=nobody.append
    )


def crash_as_it_is_taken_up(connection: sqlite3.Connection, crashes: bool) -> None:
    if crashes:
        unfiled = Unfiled()
        for number, entry in oldest(connection):
            unfiled.take(number, entry)
        if unfiled:
            file(connection, unfiled)
    file_all(connection)


def test_a_batch_that_is_larger_than_memory_may_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "MOST_UNFILED", FILED_AT_ONCE)
    file, writer = writing(tmp_path / "calls.db")
    batch = Unsaved()
    for number in range(3 * FILED_AT_ONCE):
        call = a_call(str(number))
        batch.calls[call.id] = call
    assert writer._commit(batch) is None
    more, chunks = True, 0
    while more:
        more = writer._file_some(writer._open())
        single = Unsaved()
        single.calls[MANY[0].id] = MANY[0]
        if chunks < 10:
            assert writer._commit(single) is None
            more = True
        chunks += 1
    assert (count(writer._open(), "calls"), count(writer._open(), "journal")) == (3 * FILED_AT_ONCE, 0)
    assert chunks < 30
    writer._close()
    file.release()


def test_a_small_call_with_many_steps_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "MOST_UNFILED", 100)
    file, writer = writing(tmp_path / "calls.db")
    for number in range(150):
        batch = Unsaved()
        batch.calls[MANY[0].id] = MANY[0]
        batch.log(MANY[0].id, step(str(number)))
        assert writer._commit(batch) is None
        assert len(writer._unfiled) <= 100
    while writer._file_some(writer._open()):
        pass
    assert what(writer._open(), "0") == [str(number) for number in range(150)]
    writer._close()
    file.release()


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
