"""What the next process is to know beside the calls, and from when on it does."""

from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from onlycare_socket.adapters import sqlite_writer
from onlycare_socket.calls.decision import Decision
from onlycare_socket.calls.ids import Millis
from tests.phones import START, HandClock
from tests.ports.adapters import a_call

from .sqlite_stores import crashed, early, opened, rows, until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


async def test_the_last_word_on_a_key_holds(path: Path) -> None:
    async with opened(path) as here:
        here.facts.keep("kind", "kept", b"first")
        here.facts.keep("kind", "kept", b"\x00second\xff")
        here.facts.keep("kind", "dropped", b"x")
        here.facts.drop("kind", "dropped")
        here.facts.keep("kind", "again", b"x")
        here.facts.drop("kind", "again")
        here.facts.keep("kind", "again", b"y")
        here.facts.drop("kind", "unknown")
        here.facts.keep("other", "kept", b"z", Millis(START + 10_000))
        await here.settled()
        left = crashed(path)
    async with opened(left) as back:
        assert back.facts.former("kind") == {"kept": b"\x00second\xff", "again": b"y"}
        assert back.facts.former("other") == {"kept": b"z"}
        assert back.facts.former("kind") == {}, "given once"
        assert back.facts.former("unknown") == {}


async def test_one_that_was_filed_is_dropped(path: Path) -> None:
    async with opened(path) as here:
        here.facts.keep("kind", "key", b"x")
        here.facts.keep("kind", "other", b"y")
    async with opened(path) as here:
        here.facts.drop("kind", "key")
        await here.settled()
        left = crashed(path)
    async with opened(left) as back:
        assert back.facts.former("kind") == {"other": b"y"}


async def test_each_word_in_a_commit_of_its_own(path: Path) -> None:
    async with opened(path) as here:
        for word in range(5):
            here.facts.keep("kind", "key", str(word).encode())
            await here.settled()
            assert rows(crashed(path), "SELECT count(*) FROM journal WHERE instr(body, CAST(? AS BLOB))", "key")[0][0]
        here.facts.drop("kind", "key")
        await here.settled()
        left = crashed(path)
    async with opened(left) as back:
        assert back.facts.former("kind") == {}


async def test_settled_covers_a_commit_that_is_on_its_way(path: Path) -> None:
    async with opened(path) as here:
        here.facts.keep("kind", "key", b"x")
        await here.settled()
        here.store.transact(None, (), lambda view: Decision(early=(early(),)), lambda outcome: None)
        here.facts.drop("kind", "key")
        here.store.transact(None, (), lambda view: Decision(early=(early(),)), lambda outcome: None)
        await here.settled()
        left = crashed(path)
    async with opened(left) as back:
        assert back.facts.former("kind") == {}


async def test_until_its_time_is_over(path: Path) -> None:
    clock = HandClock()
    async with opened(path, clock) as here:
        here.facts.keep("kind", "for good", b"")
        here.facts.keep("kind", "ten seconds", b"", Millis(START + 10_000))
        here.facts.keep("kind", "twenty seconds", b"", Millis(START + 20_000))
        here.facts.keep("kind", "longer now", b"", Millis(START + 5_000))
        here.facts.keep("kind", "longer now", b"", Millis(START + 30_000))
    clock.run(10)
    async with opened(path, clock) as back:
        assert set(back.facts.former("kind")) == {"for good", "twenty seconds", "longer now"}
        clock.run(12)
        await until(lambda: len(rows(path, "SELECT key FROM facts")) == 2)
        assert set(rows(path, "SELECT key FROM facts")) == {("for good",), ("longer now",)}


async def test_it_is_there_a_moment_later_without_anybody_asking(path: Path) -> None:
    async with opened(path) as here:
        here.facts.keep("kind", "key", b"")
        await until(lambda: not here.store.health.degraded and rows(path, "SELECT count(*) FROM journal") != [(0,)])
        left = crashed(path)
    async with opened(left) as back:
        assert back.facts.former("kind") == {"key": b""}


async def test_more_than_is_kept_for_filing_is_filed_from_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "MOST_UNFILED", 3)
    monkeypatch.setattr(sqlite_writer, "_TIDY_EVERY", 0.2)
    async with opened(path) as here:
        for word in range(240):  # more than are read at once
            here.facts.keep("kind", f"key {word % 7}", str(word).encode())
            await here.settled()
        await until(lambda: rows(path, "SELECT count(*) FROM journal") == [(0,)])
        here.facts.keep("kind", "key 0", b"last")
        await here.settled()
        await here.put(a_call())
    with closing(connect(path)) as connection:
        found = dict(connection.execute("SELECT key, body FROM facts WHERE kind = 'kind'"))
    assert found == {f"key {word % 7}": str(word).encode() for word in range(233, 240)} | {"key 0": b"last"}
