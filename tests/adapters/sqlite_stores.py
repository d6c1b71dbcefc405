"""SQLite stores for tests: opened and closed on one file, and what a crash would leave of it."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from onlycare_socket.adapters.sqlite_facts import SqliteFacts
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_life import SqliteLife
from onlycare_socket.adapters.sqlite_log import SqliteCallLog
from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.decision import Decide, Decision, View
from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId
from onlycare_socket.calls.restart import not_kept, taken_up
from onlycare_socket.calls.states import Code, EarlyKind, State
from onlycare_socket.calls.terms import Terms
from onlycare_socket.ports import StoreUnavailable
from tests.phones import START, HandClock
from tests.ports.adapters import a_call

TERMS: Final = Terms()
RETRY = 1.0
"""Seconds until a failed commit is tried again."""

Outcome = Decision | StoreUnavailable


class Opened:
    """A store that runs, with what reads it."""

    def __init__(self, path: Path, clock: HandClock, ended_calls: int) -> None:
        self.path = path
        self.clock = clock
        terms = partial(taken_up, TERMS), partial(not_kept, TERMS)
        self.life = SqliteLife(CallsFile(path), clock, *terms, ended_calls)
        self.store = self.life.store
        self.store.retry = RETRY
        self.log = SqliteCallLog(self.store, clock)
        self.facts = SqliteFacts(self.store)

    async def decide(self, decide: Decide, call: str | None = "1", *users: str) -> Outcome:
        """Runs a transaction; returns what `done` was given."""
        id_ = None if call is None else CallId(call)
        outcome: Outcome = await _answer(partial(self.store.transact, id_, tuple(map(UserId, users)), decide))
        return outcome

    async def put(self, *calls: Call, steps: tuple[tuple[CallId, Step], ...] = ()) -> Outcome:
        """Keeps calls as they are given."""
        return await self.decide(lambda view: Decision(calls=calls, steps=steps), calls[0].id)

    async def say(self, *early: Early) -> None:
        """Keeps early commands."""
        await self.decide(lambda view: Decision(early=early))

    async def view(self, call: str | None = "1", *users: str) -> View:
        """What a decision would see."""
        views: list[View] = []

        def look(view: View) -> Decision:
            views.append(view)
            return Decision()

        await self.decide(look, call, *users)
        return views[0]

    async def find(self, call: str) -> Call | None:
        found: Call | None = await _answer(partial(self.store.find, CallId(call)))
        return found

    async def timeline(self, call: str) -> list[str]:
        """The steps of a call, by what they are."""
        steps: tuple[Step, ...] = await _answer(partial(self.log.timeline, CallId(call)))
        return [step.what for step in steps]

    async def of_user(self, user: str, limit: int = 20, since: Millis | None = None) -> list[str]:
        """The ids of a user's calls."""
        asked = asyncio.get_running_loop().create_future()
        self.log.of_user(UserId(user), limit, asked.set_result, since)
        return [call.id for call in await asked]

    async def settled(self) -> None:
        """Returns when the facts are durable."""
        asked = asyncio.get_running_loop().create_future()
        self.facts.settled(partial(asked.set_result, None))
        await asked

    def due(self) -> set[tuple[str, str]]:
        """The deadlines that have passed."""
        found: set[tuple[str, str]] = set()
        self.store.due(1_000, lambda call, kind: found.add((call, kind.value)))
        return found


async def _answer(ask: Callable[[Callable[[Any], object]], None]) -> Any:
    asked = asyncio.get_running_loop().create_future()
    ask(asked.set_result)
    async with asyncio.timeout(20):
        return await asked


@asynccontextmanager
async def opened(path: Path, clock: HandClock | None = None, ended_calls: int = 20_000) -> AsyncIterator[Opened]:
    """Starts a store on a file, and stops it."""
    there = Opened(path, clock or HandClock(), ended_calls)
    await there.life.start()
    try:
        yield there
    finally:
        await there.life.stop()


def crashed(path: Path) -> Path:
    """Returns a copy of a file in use, as it would be found after kill -9 at this moment."""
    number = sum(1 for _ in path.parent.glob("crash-*"))
    folder = path.parent / f"crash-{number}"
    folder.mkdir()
    for suffix in ("-wal", ""):  # the log first: what moves into the database meanwhile is there twice, not never
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}{suffix}", folder / f"{path.name}{suffix}")
    return folder / path.name


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Returns what another process would read."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query, values).fetchall()


async def until(there: Callable[[], object]) -> None:
    """Waits for something that only another thread brings about."""
    async with asyncio.timeout(20):
        while not there():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def over(call: Call, at: int = START, **fields: object) -> Call:
    """The call as it is when it has ended."""
    given = {"state": State.ENDED, "ended": Millis(at), "code": Code.COMPLETED, "agora_token": "", "ring_at": None}
    return replace(call, version=call.version + 1, **(given | fields))


def ended_calls(number: int, *, every_ms: int = 1_000) -> list[Call]:
    """Calls of 5 with 7 that ended one after the other."""
    times = range(START, START + number * every_ms, every_ms)
    return [over(a_call(str(each), created=at), at) for each, at in enumerate(times)]


def early(
    call: str = "1", user: str = "7", kind: EarlyKind = EarlyKind.REJECT, after: float = 60, **more: Any
) -> Early:
    """A command that came before its call."""
    return Early(
        **({"call": CallId(call), "user": UserId(user), "kind": kind, "device": DeviceId("d:1")} | more),
        until=Millis(round(START + after * 1000)),
    )


def step(what: str, at: int = START, **more: Any) -> Step:
    """A line of a timeline."""
    return Step(Millis(at), what, **more)
