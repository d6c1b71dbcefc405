"""Who does what: the loop's thread never waits for the disk, and SQLite's log does not grow for ever."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from onlycare_socket.adapters import sqlite_reader, sqlite_writer
from onlycare_socket.adapters.sqlite_reading import read_call
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.decision import Decision, View
from onlycare_socket.calls.ids import CallId
from onlycare_socket.ports import StoreUnavailable
from tests.phones import HandClock
from tests.ports.adapters import a_call, put

from .sqlite_stores import Opened, ended_calls, opened, over, rows, step, until

PAGE: Final = 4_096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every statement of every connection, and every closing of one, with the thread that ran it."""
    seen: list[tuple[str, str]] = []

    class Watched(sqlite3.Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.set_trace_callback(lambda statement: seen.append((threading.current_thread().name, statement)))

        def close(self) -> None:
            seen.append((threading.current_thread().name, "close"))
            super().close()

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, **({"factory": Watched} | named)))
    return seen


async def test_the_loops_thread_touches_no_file(path: Path, statements: list[tuple[str, str]]) -> None:
    clock = HandClock()
    async with opened(path, clock, ended_calls=2) as here:
        started = len(statements)
        assert "MainThread" in {thread for thread, _ in statements}, "the start is watched, so this works"
        calls = ended_calls(20)
        for call in calls:
            await here.put(a_call(call.id), steps=((call.id, step("dialled")),))
            await here.put(call)
            here.store.note(call.id, lambda now, call: (call, step("told")))
        here.facts.keep("kind", "key", b"")
        await here.settled()
        assert await here.find("0") == calls[0]
        assert await here.timeline("0") == ["dialled", "told"]
        assert len(await here.of_user("5")) == 20
        clock.run(100_000)
        await until(lambda: any("DELETE FROM calls" in statement for _, statement in statements))
        await until(lambda: any("wal_checkpoint" in statement for _, statement in statements))
    later = statements[started:]
    threads = {thread for thread, _ in later}
    assert "MainThread" not in threads, [statement for thread, statement in later if thread == "MainThread"]
    assert {"calls-writer", "calls-checkpoint", "calls-reader_0"} <= threads
    assert [statement for thread, statement in later if "TRUNCATE" in statement and thread != "calls-checkpoint"] == []
    assert [statement for thread, statement in later if "INSERT" in statement and thread != "calls-writer"] == []


async def busy(here: Opened, commits: int, watch: Callable[[], object]) -> None:
    """Keeps the writer at work: several who wait, each of whom decides again as soon as he is told."""
    left = commits
    over_ = asyncio.get_running_loop().create_future()

    def raised(view: View) -> Decision:
        call = view.call or a_call(version=0)
        return Decision(calls=(replace(call, version=call.version + 1),), steps=((call.id, step("x" * 300)),))

    def told(decision: Decision | StoreUnavailable) -> None:
        nonlocal left
        assert isinstance(decision, Decision)
        left -= 1
        watch()
        if left > 0:
            here.store.transact(CallId("1"), (), raised, told)
        elif not over_.done():
            over_.set_result(None)

    for _ in range(3):
        here.store.transact(CallId("1"), (), raised, told)
    await over_


async def test_the_log_stays_short_however_much_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "LONGEST_LOG", 50)
    monkeypatch.setattr(sqlite_writer, "_CHECKPOINT_EVERY", 0.02)
    longest = 0

    def watch() -> None:
        nonlocal longest
        longest = max(longest, os.stat(f"{path}-wal").st_size)

    async with opened(path) as here:
        await busy(here, 20_000, watch)
    assert longest < 15_000 * PAGE, "21,000 were written; on a machine that is busy it was half of that"
    assert sorted(os.listdir(path.parent)) == ["calls.db", "calls.db.lock"]


async def test_too_many_questions_find_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_reader, "MOST_ASKED", 10)
    call = over(a_call("1"))
    async with opened(path) as here:
        await here.put(call)
        found: list[Call | None] = []
        for _ in range(25):
            here.store.reader.ask(partial(read_call, call=call.id, oldest=0), None, found.append)
        assert found == [None] * 15, "at once"
        await here.store.reader.idle()
        assert found[15:] == [call] * 10
        here.store.reader.ask(partial(read_call, call=call.id, oldest=0), None, found.append)
        await here.store.reader.idle()
        assert found[-1] == call, "and later ones find it again"


async def test_what_is_handed_over_last_is_committed_and_filed(path: Path) -> None:
    async with opened(path) as here:
        for number in range(50):
            call = over(a_call(str(number)))
            here.store.transact(call.id, (), put(call), lambda outcome: None)
    assert rows(path, "SELECT count(*) FROM calls") == [(50,)]
    assert rows(path, "SELECT count(*) FROM journal") == [(0,)]
