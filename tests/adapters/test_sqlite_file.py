"""The file itself: who may read it, who holds it, and what becomes of one that cannot be read."""

import asyncio
import os
import re
import sqlite3
import stat
from collections.abc import Callable, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from onlycare_socket.adapters.sqlite_file import MOST_SET_ASIDE, CallsFile
from onlycare_socket.adapters.sqlite_tables import MIGRATIONS
from onlycare_socket.adapters.storage import storage
from onlycare_socket.calls.decision import Decision
from onlycare_socket.config import Settings
from onlycare_socket.ports import Storage, StorageError
from tests.phones import HandClock
from tests.ports.adapters import a_call

from .sqlite_stores import TERMS, Opened, early, opened, over, rows, step

Lines = list[MutableMapping[str, Any]]
Break = Callable[[Path], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


def stored(setting: str, **settings: Any) -> Storage:
    return storage(Settings(store=setting, **settings), HandClock(), TERMS)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


async def filled(path: Path) -> None:
    async with opened(path) as here:
        await here.put(a_call("live", "1", "2"), over(a_call("over")), steps=((a_call("live").id, step("dialled")),))
        await here.say(early("early"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---------------------------------------------------------------- where it is


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_nobody_else_may_read_it(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "new" / "deeper" / "calls.db"
    before = os.umask(umask)
    try:
        async with opened(path) as here:
            await here.put(a_call())
            files = {file.name: mode(file) for file in path.parent.iterdir()}
            assert files == {f"calls.db{suffix}": 0o600 for suffix in ("", "-wal", "-shm", ".lock")}
            assert mode(path.parent) == 0o700
    finally:
        os.umask(before)


async def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    await filled(path)
    os.chmod(path, 0o644)
    async with opened(path) as here:
        await here.put(a_call("next", "8", "9"))
        assert mode(path) == mode(Path(f"{path}-wal")) == 0o600


async def test_the_log_is_gone_when_it_is_stopped(path: Path) -> None:
    await filled(path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["calls.db", "calls.db.lock"]


async def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = stored("sqlite:///data/calls of today?#%41.db")
    monkeypatch.chdir("/")
    await here.start()
    await here.stop()
    assert (tmp_path / "data" / "calls of today?#%41.db").exists()


async def test_an_absolute_path(tmp_path: Path) -> None:
    here = stored(f"sqlite:///{tmp_path}/calls.db")
    await here.start()
    await here.stop()
    assert (tmp_path / "calls.db").exists()


@pytest.mark.parametrize("full", [False, True])
async def test_how_sure_a_commit_is(path: Path, full: bool) -> None:
    file = CallsFile(path, full_sync=full)
    file.hold()
    with closing(file.connect()) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2 if full else 1,)
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    file.release()


# ---------------------------------------------------------------- what is refused


async def test_two_servers_on_one_file(path: Path) -> None:
    await filled(path)
    async with opened(path) as here:
        second = stored(f"sqlite:///{path}")
        with pytest.raises(StorageError, match=re.escape(f"{path} is in use by another server")):
            await second.start()
        await second.stop()
        assert isinstance(await here.put(a_call("next", "8", "9")), Decision)
    third = stored(f"sqlite:///{path}")
    await third.start()
    await third.stop()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "calls.db", Path("/proc/onlycare/calls.db")):
        with pytest.raises(StorageError, match=re.escape(str(path.parent))) as error:
            await stored(f"sqlite:///{path}").start()
        assert "\n" not in str(error.value)


async def test_a_folder_in_its_place(path: Path) -> None:
    os.mkdir(path)
    with pytest.raises(StorageError, match=re.escape(f"{path}: Is a directory")):
        await stored(f"sqlite:///{path}").start()
    os.rmdir(path)
    await filled(path)  # nobody holds it


async def test_a_database_of_somebody_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1); PRAGMA user_version = 1")
    with pytest.raises(StorageError, match="no such table"):
        await stored(f"sqlite:///{path}").start()
    assert rows(path, "SELECT x FROM theirs") == [(1,)]


# ---------------------------------------------------------------- what is set aside


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 1_000)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3 - 100)


def overwritten(path: Path) -> None:
    """The pages behind the first one are noise."""
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(os.urandom(path.stat().st_size - 4_096))


def change(statement: str) -> Break:
    def execute(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)
            connection.commit()

    return execute


BROKEN: dict[str, Break] = {
    "garbage": garbage,
    "cut short": cut_short,
    "noise": overwritten,
    "a call": change("UPDATE calls SET body = x'93a161' WHERE id = 'live'"),
    "a call that ended": change("UPDATE calls SET body = x'c1' WHERE id = 'over'"),
    "a timeline": change("UPDATE calls SET steps = x'00000001c1' WHERE id = 'live'"),
    "an early command": change("UPDATE early SET body = x'80'"),
    "the journal": change("INSERT INTO journal (body) VALUES (x'9400')"),
    "not msgpack": change("INSERT INTO journal (body) VALUES (x'c1')"),
}


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN)
async def test_one_that_cannot_be_read_is_kept_and_said(path: Path, breaking: Break, log_lines: Lines) -> None:
    await filled(path)
    breaking(path)
    await is_set_aside(path, "broken", log_lines)


async def test_one_of_a_newer_version_is_kept_and_said(path: Path, log_lines: Lines) -> None:
    await filled(path)
    change("PRAGMA user_version = 99")(path)
    kept = await is_set_aside(path, "newer", log_lines)
    assert rows(kept, "PRAGMA user_version") == [(99,)]
    assert rows(kept, "SELECT id FROM calls ORDER BY id") == [("live",), ("over",)], "to be gone back to"


async def is_set_aside(path: Path, why: str, log_lines: Lines) -> Path:
    content = content_of(path)
    log_lines.clear()
    async with opened(path) as here:
        assert here.log.live_count() == 0
        assert (await here.view("early")).early == ()
        assert isinstance(await here.put(a_call("new")), Decision)
        assert not here.store.health.degraded
    (kept,) = path.parent.glob("calls.db.*-*")
    assert re.fullmatch(rf"calls\.db\.{why}-\d{{8}}-\d{{6}}", kept.name)
    assert mode(kept) == 0o600
    if why == "broken" and not content.startswith(b"SQLite"):
        assert content_of(kept) == content
    (line,) = [line for line in log_lines if line["log_level"] == "error"]
    assert (line["file"], line["kept_as"]) == (str(path), str(kept))
    assert line["reason"]
    assert "exc_info" not in line
    async with opened(path) as back:
        assert await back.find("new") is not None
        assert list(path.parent.glob("calls.db.*-*")) == [kept], "once"
    return kept


async def test_its_log_is_set_aside_with_it(path: Path) -> None:
    await filled(path)
    with closing(sqlite3.connect(path)) as operator:
        operator.execute("PRAGMA user_version = 99")
        log = content_of(Path(f"{path}-wal"))
        assert log
        async with opened(path) as here:
            (kept,) = path.parent.glob("calls.db.newer-*[0-9]")
            assert content_of(Path(f"{kept}-wal")) == log, "what was not in the database itself"
            assert isinstance(await here.put(a_call("new", "8", "9")), Decision)


async def test_two_that_are_set_aside_in_one_second_have_two_names(path: Path) -> None:
    for _ in range(3):
        garbage(path)
        async with opened(path):
            pass
    assert len(list(path.parent.glob("calls.db.broken-*"))) == 3


async def test_a_file_that_cannot_be_written_now_is_not_set_aside(path: Path) -> None:
    """The start is refused: the file may be sound."""
    await filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as operator:
        operator.execute("BEGIN IMMEDIATE")
        operator.execute("INSERT INTO journal (body) VALUES (x'9490909090')")
        operator.execute("COMMIT")
        operator.execute("BEGIN IMMEDIATE")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("onlycare_socket.adapters.sqlite_file.WAITS", 0.05)
            with pytest.raises(StorageError, match="locked"):
                await stored(f"sqlite:///{path}").start()
        operator.execute("ROLLBACK")
    async with opened(path) as here:
        assert await here.find("live") is not None


# ---------------------------------------------------------------- schemas


async def test_a_new_file_has_every_migration(path: Path) -> None:
    async with opened(path):
        assert rows(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]


async def test_an_empty_file_is_a_new_one(path: Path, log_lines: Lines) -> None:
    os.mknod(path)
    await filled(path)
    assert not [line for line in log_lines if line["log_level"] == "error"]


async def test_a_migration_is_made_wholly_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onlycare_socket.adapters import sqlite_tables

    await filled(path)
    next_one = "ALTER TABLE calls ADD COLUMN colour TEXT; CREATE TABLE calls (x)"
    monkeypatch.setattr(sqlite_tables, "MIGRATIONS", (*MIGRATIONS, next_one))
    with pytest.raises(StorageError, match="already exists"):
        await stored(f"sqlite:///{path}").start()
    assert rows(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]
    assert "colour" not in str(rows(path, "SELECT sql FROM sqlite_master"))
    monkeypatch.setattr(sqlite_tables, "MIGRATIONS", (*MIGRATIONS, next_one.partition(";")[0]))
    async with opened(path) as here:
        assert await here.find("live") is not None
        assert rows(path, "SELECT colour FROM calls") == [(None,), (None,)]
    monkeypatch.undo()
    for number in range(MOST_SET_ASIDE):
        path.with_name(f"calls.db.broken-{number}").touch()
    async with opened(path):
        assert [*path.parent.glob("calls.db.newer-*")], "the version before sets it aside, however many are broken"


async def test_a_start_that_fails_lets_the_file_go(path: Path) -> None:
    await filled(path)
    here = Opened(path, HandClock(), 10)
    here.life._restored = lambda now, call, clean: 1 / 0  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        await here.life.start()
    await here.life.stop()
    await asyncio.wait_for(filled(path), 10)
