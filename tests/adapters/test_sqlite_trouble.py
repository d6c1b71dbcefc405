"""A file that cannot be written: new calls are refused, live ones go on, and once it can be, nothing is missing."""

import asyncio
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from onlycare_socket.adapters import sqlite_entry, sqlite_file, sqlite_tables, sqlite_writer
from onlycare_socket.adapters.kept import MAX_STEPS
from onlycare_socket.adapters.sqlite import NOTES_WAIT
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.decision import Decision, Note, View
from onlycare_socket.calls.ids import CallId
from onlycare_socket.calls.restart import taken_up
from onlycare_socket.calls.states import State
from onlycare_socket.calls.timeline import LEFT_OUT
from onlycare_socket.ports import StoreUnavailable
from tests.ports.adapters import a_call

from . import sqlite_stores
from .sqlite_stores import TERMS, Opened, Outcome, crashed, early, opened, over, rows, step, until

Lines = list[MutableMapping[str, Any]]

CANNOT_WRITE = "the file of calls cannot be written: new calls are refused, live ones go on from memory"
UNTIDY = "the file of calls cannot be put in order; what is decided is kept all the same"
LOST = "the file of calls was damaged or moved while in use; a new one is begun with the live calls"
AGAIN = "the file of calls is written again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens once a second happens twenty times a second."""
    monkeypatch.setattr(sqlite_stores, "RETRY", 0.05)
    monkeypatch.setattr(sqlite_writer, "_TIDY_EVERY", 0.05)
    monkeypatch.setattr(sqlite_writer, "_CHECKPOINT_EVERY", 0.05)
    monkeypatch.setattr(sqlite_file, "WAITS", 0.1)


@pytest.fixture
def told(log_lines: Lines) -> Iterator[Callable[[], list[str]]]:
    """Returns warnings and errors so far, without their details; none may hold a traceback."""

    def told() -> list[str]:
        return [line["event"] for line in log_lines if line["log_level"] in ("warning", "error")]

    yield told
    assert not [line for line in log_lines if line.get("exc_info")]


# ---------------------------------------------------------------- what breaks a file


@contextmanager
def no_room_to_grow(path: Path) -> Iterator[None]:
    """No file of this process may be longer than this one's log is: for SQLite the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(os.stat(f"{path}-wal").st_size, 4_096)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes for longer than anybody waits."""
    with closing(sqlite3.connect(path, isolation_level=None)) as operator:
        operator.execute("BEGIN IMMEDIATE")
        yield
        operator.execute("ROLLBACK")


@contextmanager
def disk_full(path: Path) -> Iterator[None]:
    """The last byte of the disk is taken."""
    filler = path.parent / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4_096)):
            pass
    yield
    filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file on a disk of its own, of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder / "calls.db"
    subprocess.run(["umount", folder], check=True)


Trouble = Callable[[Path], AbstractContextManager[None]]


async def filed(path: Path) -> None:
    """Waits until all that was committed is in the tables."""
    await until(lambda: rows(path, "SELECT count(*) FROM journal") == [(0,)])


async def degraded(here: Opened) -> None:
    """Changes a call until it is noticed that this is not written."""
    async with asyncio.timeout(20):
        while not here.store.health.degraded or not here.store.failures:
            outcome = await change(here, "live")
            assert isinstance(outcome, Decision), "whoever waited is told"
            await asyncio.sleep(0.01)


async def change(here: Opened, id_: str, **fields: object) -> Outcome:
    call = await here.find(id_)
    assert call is not None
    return await here.put(replace(call, **({"version": call.version + 1} | fields)))


# ---------------------------------------------------------------- the whole story


@pytest.mark.parametrize("trouble", [no_room_to_grow, locked])
async def test_nothing_is_missing_once_it_is_over(path: Path, trouble: Trouble, told: Callable[[], list[str]]) -> None:
    async with opened(path) as here:
        await here.put(a_call("live", "1", "2"), a_call("ends", "3", "4"), a_call("rings", "5", "6"))
        here.facts.keep("kind", "dropped", b"x")
        await here.settled()
        with trouble(path):
            await degraded(here)
            assert isinstance(await here.put(a_call("new", "8", "9")), StoreUnavailable)
            assert (await here.view("new", "8")).call is None, "nothing was changed"
            ended = over(await known(here, "ends"))
            assert isinstance(await here.put(ended, steps=((ended.id, step("over")),)), Decision)
            await change(here, "rings", state=State.ACCEPTED)
            here.store.note(CallId("rings"), lambda now, call: (replace(call, version=9), step("told")))
            await here.say(early("early"))
            here.facts.keep("kind", "kept", b"y")
            here.facts.drop("kind", "dropped")
            await here.settled()  # at once
            assert here.store.health.degraded
            live = await known(here, "live")
            failures = here.store.failures
            await until(lambda: here.store.failures > failures + 1)  # it is tried again and again
        await until(lambda: not here.store.health.degraded)
        assert told() == [CANNOT_WRITE, AGAIN] or told() == [UNTIDY, CANNOT_WRITE, AGAIN]
        assert isinstance(await here.put(a_call("after", "8", "9")), Decision)
        left = crashed(path)
    async with opened(left) as back:
        assert await back.find("ends") == ended
        assert await back.timeline("ends") == ["over"]
        assert await back.find("live") == taken_up(TERMS, back.clock.wall(), live, clean=False)[0]
        rings = await known(back, "rings")
        assert (rings.state, rings.version) == (State.ACCEPTED, 10)
        assert await back.timeline("rings") == ["told", "taken up"]
        assert (await back.view("early")).early == (early("early"),)
        assert await back.find("new") is None
        assert await back.find("after") is not None
        assert back.facts.former("kind") == {"kept": b"y"}


async def test_nothing_is_missing_after_a_full_disk(small_disk: Path, told: Callable[[], list[str]]) -> None:
    """Now and then there is room in the log, and it is written again: what counts is what is there in the end."""
    calls = [a_call(str(number), f"a{number}", f"b{number}") for number in range(20)]
    async with opened(small_disk) as here:
        await here.put(*calls)
        with disk_full(small_disk):
            for number in range(400):
                id_ = str(number % len(calls))
                assert isinstance(await change(here, id_, channel_name=f"{number}" * 300), Decision)
                if number % 20 == 0:
                    await asyncio.sleep(0.02)
            assert here.store.failures > 0
            assert (
                isinstance(await here.put(a_call("new", "8", "9")), StoreUnavailable) or not here.store.health.degraded
            )
        await until(lambda: not here.store.health.degraded)
        await here.decide(lambda view: Decision(early=(early(),)))  # behind all that was missing
        live = [await known(here, call.id) for call in calls]
        left = crashed(small_disk)
    assert set(told()) <= {CANNOT_WRITE, UNTIDY, AGAIN}
    async with opened(left) as back:
        now = back.clock.wall()
        assert [await back.find(call.id) for call in live] == [
            taken_up(TERMS, now, call, clean=False)[0] for call in live
        ]


async def known(here: Opened, id_: str) -> Call:
    call = await here.find(id_)
    assert call is not None
    return call


# ---------------------------------------------------------------- order and waiting


async def test_who_waits_is_told_in_order_while_it_cannot_be_written(path: Path) -> None:
    """What is decided inside a `done` is told before what is decided after it, in the same turn of the loop, too."""
    order: list[str] = []
    asked = asyncio.get_running_loop().create_future()

    def transact(here: Opened, name: str, done: Callable[[], object] = lambda: None) -> None:
        def decide(view: View) -> Decision:
            assert view.call is not None
            return Decision(calls=(replace(view.call, version=view.call.version + 1),))

        def finished(decision: Outcome) -> None:
            assert isinstance(decision, Decision)
            order.append(f"{name} {decision.calls[0].version}")
            done()

        here.store.transact(CallId("live"), (), decide, finished)

    def inside(here: Opened) -> None:
        asyncio.get_running_loop().call_soon(transact, here, "after", partial_set(asked))
        transact(here, "inside")

    async with opened(path) as here:
        await here.put(a_call("live"))
        with locked(path):
            await degraded(here)
            version = (await known(here, "live")).version
            transact(here, "first", lambda: inside(here))
            await asked
        assert order == [f"{name} {version + number}" for number, name in enumerate(("first", "inside", "after"), 1)]


def partial_set(asked: "asyncio.Future[None]") -> Callable[[], object]:
    return lambda: asked.set_result(None)


async def test_a_commit_that_hangs_counts_as_failed(
    path: Path, monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(sqlite_file, "WAITS", 20.0)
    async with opened(path) as here:
        here.store.patience = 0.1
        await here.put(a_call("live"))
        with locked(path):
            began = asyncio.get_running_loop().time()
            waits = asyncio.create_task(change(here, "live", state=State.ACCEPTED))
            async with asyncio.timeout(20):
                while not waits.done():
                    here.due()
                    await asyncio.sleep(0.01)
            assert asyncio.get_running_loop().time() - began > 0.1
            assert here.store.health.degraded
            assert isinstance(await here.put(a_call("new", "8", "9")), StoreUnavailable)
            await asyncio.wait_for(change(here, "live", version=7), 5)
            assert rows(path, "SELECT count(*) FROM journal WHERE instr(body, 'accepted')") == [(0,)]
        await until(lambda: not here.store.health.degraded)
        await change(here, "live")  # behind all that was missing
        left = crashed(path)
        assert told() == [CANNOT_WRITE, AGAIN]
    async with opened(left) as back:
        call = await known(back, "live")
        assert (call.state, call.version) == (State.ACCEPTED, 9), "one more for being taken up"


async def test_an_operator_who_reads_for_long_holds_up_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]]
) -> None:
    """A shell of SQLite's with a transaction open: the log cannot be begun anew, however long it has become."""
    monkeypatch.setattr(sqlite_file, "WAITS", 20.0)
    monkeypatch.setattr(sqlite_writer, "LONGEST_LOG", 5)
    monkeypatch.setattr(sqlite_writer, "_CHECKPOINT_EVERY", 0.3)
    async with opened(path) as here:
        here.store.patience = 1.5
        await here.put(a_call("live"))
        with closing(sqlite3.connect(path, isolation_level=None)) as operator:
            operator.execute("BEGIN")
            operator.execute("SELECT count(*) FROM calls").fetchall()
            loop = asyncio.get_running_loop()
            until_then = loop.time() + 2.5
            while loop.time() < until_then:
                await asyncio.wait_for(change(here, "live"), 1.5)
                here.due()
                await asyncio.sleep(0.01)
            async with asyncio.timeout(5):
                await here.life.stop()
    assert told() == []


async def test_an_initiate_that_is_not_kept_is_refused(path: Path) -> None:
    """Nobody has heard of it, so it is refused; what ends another call as well goes on: that one's party is told."""
    async with opened(path) as here:
        await here.put(a_call("live"))
        with locked(path):
            new, both, changed = await asyncio.gather(
                here.put(a_call("new", "8", "9")),
                here.put(a_call("third", "10", "11"), over(a_call("fourth", "12", "13"))),
                change(here, "live", state=State.ACCEPTED),
            )
            assert isinstance(new, StoreUnavailable)
            assert isinstance(both, Decision)
            assert isinstance(changed, Decision)
            refused = await known(here, "new")
            assert (refused.state, refused.code, refused.agora_token) == (State.ENDED, "unavailable", "")
            assert not (await here.view(None, "8", "9")).live, "and keeps nobody busy"
        await until(lambda: not here.store.health.degraded)
        await change(here, "live")  # behind all that was missing
        left = crashed(path)
    async with opened(left) as back:
        assert (await known(back, "new")).code == "unavailable"
        assert (await known(back, "third")).state is State.RINGING


def removed(path: Path) -> None:
    for name in ("", "-wal", "-shm"):
        Path(f"{path}{name}").unlink()


def moved(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))


def damaged(path: Path) -> None:
    """A table begins on a page that is none."""
    with closing(sqlite3.connect(path, isolation_level=None)) as operator:
        operator.execute("PRAGMA writable_schema = ON")
        operator.execute("UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'calls'")
        operator.execute("PRAGMA schema_version = 1000")


@pytest.mark.parametrize("lose", [removed, moved, damaged])
async def test_a_file_that_is_lost_is_begun_anew_with_the_live_calls(
    path: Path, told: Callable[[], list[str]], lose: Callable[[Path], None]
) -> None:
    async with opened(path) as here:
        await here.put(a_call("live"), steps=((CallId("live"), step("dialled")),))
        await filed(path)
        lose(path)
        async with asyncio.timeout(20):
            while LOST not in told():
                await change(here, "live")
                await asyncio.sleep(0.01)
        await until(lambda: not here.store.health.degraded)
        assert isinstance(await here.put(a_call("new", "8", "9")), Decision)
        await here.put(
            replace(await known(here, "live"), state=State.ACCEPTED), steps=((CallId("live"), step("accepted")),)
        )
        await filed(path)
        left = crashed(path)
    assert told().count(LOST) == 1
    async with opened(left) as back:
        assert (await known(back, "live")).state is State.ACCEPTED
        assert await back.find("new") is not None
        assert (await back.timeline("live"))[:2] == ["dialled", "accepted"], "each once, in order"


async def test_a_step_that_was_on_its_way_as_the_file_was_lost_is_there_once(path: Path) -> None:
    """It was meant for the former file, and is in the timeline that begins the new one."""
    async with opened(path) as here:
        await here.put(a_call("live", version=2), steps=((CallId("live"), step("dialled")),))
        for number in range(5):
            with suppress(sqlite3.Error):  # the file may just be another one
                damaged(path)
            for each in range(40):
                accepted = ((CallId("live"), step(f"{number} {each}")),)
                assert isinstance(await here.put(await known(here, "live"), steps=accepted), Decision)
        await until(lambda: not here.store.health.degraded and rows(path, "SELECT count(*) FROM journal") == [(0,)])
        left = crashed(path)
    said = [f"{number} {each}" for number in range(5) for each in range(40)]
    async with opened(left) as back:
        timeline = [what for what in await back.timeline("live") if what in said]
    assert timeline == [what for what in said if what in timeline], "in order, each once"
    assert len(timeline) >= MAX_STEPS - 20


async def test_a_folder_that_was_gone_for_a_moment_is_written_again(path: Path, told: Callable[[], list[str]]) -> None:
    path = path.parent / "folder" / path.name
    async with opened(path) as here:
        await here.put(a_call("live", version=2))
        path.parent.rename(path.parent.with_suffix(".away"))
        async with asyncio.timeout(20):
            while not here.store.health.degraded:
                await change(here, "live")
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # it has tried, in vain
        assert LOST not in told()
        path.parent.mkdir()
        await until(lambda: not here.store.health.degraded)
        await change(here, "live", state=State.ACCEPTED)
        left = crashed(path)
    assert told().count(LOST) == 1
    async with opened(left) as back:
        assert (await known(back, "live")).state is State.ACCEPTED


async def test_a_stop_that_finds_the_damage_writes_the_live_calls(path: Path) -> None:
    for number in range(8):
        file = path.with_name(f"{number}.db")
        async with opened(file) as here:
            await here.put(a_call("live", version=2))
            await filed(file)
            damaged(file)
        async with opened(file) as back:
            assert await back.find("live") is not None, number


async def test_a_file_that_is_moved_as_the_server_stops_is_said(path: Path, log_lines: Lines) -> None:
    async with opened(path) as here:
        await here.put(a_call("live", version=2))
        await here.life.idle()
        moved(path)
    said = {line["event"] for line in log_lines if line["log_level"] == "error"}
    assert said & {LOST, "the file of calls was lost as the server stopped"}


async def test_files_that_are_all_damaged_are_no_storm(
    path: Path, monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]]
) -> None:
    append = sqlite_tables.append
    broken = True

    def appended(connection: sqlite3.Connection, entry: bytes) -> int:
        if broken:
            raise sqlite3.DatabaseError("malformed")
        return append(connection, entry)

    monkeypatch.setattr(sqlite_file, "MOST_SET_ASIDE", 3)
    async with opened(path) as here:
        await here.put(a_call("live", version=2))
        monkeypatch.setattr(sqlite_writer, "append", appended)
        began = asyncio.get_running_loop().time()
        change_ = asyncio.create_task(change(here, "live", state=State.ACCEPTED))
        await until(lambda: told().count(LOST) >= 6)
        assert asyncio.get_running_loop().time() - began > 4 * here.store.retry
        await change_
        assert len([*path.parent.glob("calls.db.broken-*")]) <= 3 * len(("-wal", "-shm", ""))
        broken = False
        await until(lambda: not here.store.health.degraded)
        left = crashed(path)
    async with opened(left) as back:
        assert (await known(back, "live")).state is State.ACCEPTED


async def test_no_fault_ends_the_writer(path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: Lines) -> None:
    prune = sqlite_tables.prune
    faults = [MemoryError("of SQLite")]

    def pruned(connection: sqlite3.Connection, now: int, oldest: int) -> bool:
        if faults:
            raise faults.pop()
        return prune(connection, now, oldest)

    async with opened(path) as here:
        monkeypatch.setattr(sqlite_writer, "prune", pruned)
        await until(lambda: here.store.health.degraded)
        await until(lambda: not here.store.health.degraded)
        await here.put(a_call("live"))
    assert [line["event"] for line in log_lines if line.get("exc_info")] == ["what was committed cannot be filed"]


async def test_a_call_that_ended_as_the_file_was_lost_has_its_whole_timeline(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = sqlite_tables.append
    faults = [sqlite3.DatabaseError("malformed")]

    def appended(connection: sqlite3.Connection, entry: bytes) -> int:
        if faults:
            raise faults.pop()
        return append(connection, entry)

    async with opened(path) as here:
        call = a_call("1", version=2)
        await here.put(call, steps=((call.id, step("dialled")),))
        monkeypatch.setattr(sqlite_writer, "append", appended)
        await here.put(over(call), steps=((call.id, step("over")),))
        await until(lambda: not here.store.health.degraded)
    async with opened(path) as back:
        assert (await known(back, "1")).ended is not None
        assert await back.timeline("1") == ["dialled", "over"]


async def test_notes_after_a_failed_commit_stay_in_order(path: Path) -> None:
    def told(version: int) -> Note:
        return lambda now, call: (replace(call, version=version), step(f"told {version}"))

    async with opened(path) as here:
        live = a_call("live")
        await here.put(live)
        with locked(path):
            waits = asyncio.create_task(here.put(over(live), steps=((live.id, step("over")),)))
            await asyncio.sleep(0)
            await until(lambda: here.store._in_commit is not None)
            here.store.note(live.id, told(3))
            await waits
            here.store.note(live.id, told(4))
        await until(lambda: not here.store.health.degraded)
        await here.put(a_call("another", "8", "9"))
    async with opened(path) as back:
        assert (await known(back, "live")).version == 4
        assert await back.timeline("live") == ["over", "told 3", "told 4"]


async def test_a_fact_that_is_dropped_during_a_commit_goes_with_the_next_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as here:
        here.facts.keep("kind", "key", b"")
        await here.settled()
        await asyncio.sleep(NOTES_WAIT + 0.05)  # what waited has gone
        loop = asyncio.get_running_loop()
        with locked(path):
            monkeypatch.setattr(sqlite_file, "WAITS", 20.0)
            here.store.transact(None, (), lambda view: Decision(early=(early(),)), lambda decision: None)
            await until(lambda: here.store._in_commit is not None)
            here.facts.drop("kind", "key")
            await asyncio.sleep(0)
        began = loop.time()
        await until(lambda: not here.store.unsaved and here.store._in_commit is None)
        assert loop.time() - began < NOTES_WAIT, "it does not wait as notes do"


async def test_a_store_that_stops_without_having_written_says_so(path: Path, told: Callable[[], list[str]]) -> None:
    here = Opened(path, (await reopened(path)).clock, 10)
    await here.life.start()
    with locked(path):
        await degraded(here)
        await here.life.stop()
        assert told()[-1] == "stopped without having written all calls"


async def reopened(path: Path) -> Opened:
    """A store that was opened, given a live call and closed again."""
    async with opened(path) as here:
        await here.put(a_call("live"))
    return here


async def test_it_writes_once_more_as_it_stops(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(path) as here:
        here.store.retry = 3_600.0
        await here.put(a_call("live"))
        with no_room_to_grow(path):
            await degraded(here)
            await here.put(over(await known(here, "live")))
    async with opened(path) as back:
        assert (await known(back, "live")).ended is not None


# ---------------------------------------------------------------- filing


async def test_what_cannot_be_filed_holds_up_no_commit(path: Path, told: Callable[[], list[str]]) -> None:
    async with opened(path) as here:
        await here.put(a_call("1", "1", "2"))
        with closing(sqlite3.connect(path, isolation_level=None)) as operator:
            operator.execute("ALTER TABLE calls RENAME TO somewhere_else")
            assert isinstance(await here.put(a_call("2", "3", "4")), Decision)
            await until(lambda: here.store.health.degraded)
            assert isinstance(await here.put(a_call("3", "5", "6")), Decision), "new calls are kept as promised"
            assert here.store.failures == 0
            assert told() == [UNTIDY]
            operator.execute("ALTER TABLE somewhere_else RENAME TO calls")
        await until(lambda: not here.store.health.degraded)
        assert told() == [UNTIDY, AGAIN]
        await filed(path)
        assert rows(path, "SELECT id FROM calls") == [("1",), ("2",), ("3",)]


def test_what_waits_for_the_file_is_bounded() -> None:
    older, newer = sqlite_entry.Unsaved(), sqlite_entry.Unsaved()
    call = a_call()
    older.calls[call.id], newer.calls[call.id] = call, replace(call, version=2)
    for number in range(MAX_STEPS - 10):
        older.log(call.id, step(f"older {number}"))
        newer.log(call.id, step(f"newer {number}"))
    older.facts[("kind", "both")] = older.facts[("kind", "older")] = (None, b"older")
    newer.facts[("kind", "both")] = None
    newer.put_back(older)
    what = [each.what for each in newer.steps[call.id]]
    assert len(what) == MAX_STEPS
    assert (what[0], what[-1]) == ("older 0", f"newer {MAX_STEPS - 11}")
    assert LEFT_OUT in what
    assert newer.calls[call.id].version == 2, "what came meanwhile is newer"
    assert newer.facts == {("kind", "both"): None, ("kind", "older"): (None, b"older")}
