"""The adapters that the contract tests of the ports run on: a new one is added to the list and must pass them all."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct

from onlycare_socket.adapters.absent import AbsentBackend, AbsentFacts, AbsentPush
from onlycare_socket.adapters.memory import MemoryCallLog, MemoryCallStore
from onlycare_socket.adapters.sqlite_facts import SqliteFacts
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_life import SqliteLife
from onlycare_socket.adapters.sqlite_log import SqliteCallLog
from onlycare_socket.calls.call import Call, Party
from onlycare_socket.calls.decision import Decide, Decision, View
from onlycare_socket.calls.ids import CallId, DeviceId, UserId
from onlycare_socket.calls.restart import not_kept, taken_up
from onlycare_socket.calls.states import State
from onlycare_socket.calls.terms import Terms
from onlycare_socket.ports import Backend, CallLog, CallStore, Facts, Push, StoreUnavailable
from onlycare_socket.sockets import NodeSockets
from tests.phones import START, HandClock


class Stored(Struct, frozen=True):
    """A store, its log, the facts beside, and the clock of all. `settle` waits until all is done that was begun."""

    store: CallStore
    log: CallLog
    clock: HandClock
    facts: Facts = AbsentFacts()
    settle: Callable[[], None] = lambda: None


@contextmanager
def memory() -> Iterator[Stored]:
    clock = HandClock()
    store = MemoryCallStore(clock)
    yield Stored(store, MemoryCallLog(store), clock)


@contextmanager
def sqlite() -> Iterator[Stored]:
    """A store in a file, on a loop of its own that runs while a test settles."""
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        clock = HandClock()
        terms = partial(taken_up, Terms()), partial(not_kept, Terms())
        life = SqliteLife(CallsFile(Path(folder, "calls.db")), clock, *terms)
        store = life.store
        log = SqliteCallLog(store, clock)
        runner.run(life.start())

        async def settled() -> None:
            await life.idle()
            await store.reader.idle()

        yield Stored(store, log, clock, SqliteFacts(store), lambda: runner.run(settled()))
        runner.run(life.stop())


STORES: Final[dict[str, Callable[[], AbstractContextManager[Stored]]]] = {"memory": memory, "sqlite": sqlite}
SOCKETS: Final[dict[str, Callable[[HandClock], NodeSockets]]] = {"local": NodeSockets}
PUSHES: Final[dict[str, Callable[[], Push]]] = {
    "none, the backend pushes": lambda: AbsentPush(can_wake=True),
    "none": lambda: AbsentPush(can_wake=False),
}
BACKENDS: Final[dict[str, Callable[[], Backend]]] = {"none": AbsentBackend}


def a_call(id_: str = "1", caller: str = "5", receiver: str = "7", **fields: object) -> Call:
    """A call that rings, or whatever the fields say."""
    given: dict[str, object] = {
        "state": State.RINGING,
        "call_type": "audio",
        "channel_name": "c",
        "agora_token": "t",
        "created": START,
        "ring_at": START + 30_000,
    } | fields
    return Call(
        id=CallId(id_),
        caller=Party(user=UserId(caller), shown=caller, call_id=id_, device=DeviceId("d:1")),
        receiver=Party(user=UserId(receiver), shown=receiver, call_id=id_),
        **given,  # type: ignore[arg-type]
    )


def put(*calls: Call) -> Decide:
    """A decision that keeps these calls, whatever is there."""
    return lambda view: Decision(calls=calls)


class Transactions:
    """Runs transactions and keeps what came of them, in order."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.done: list[Decision] = []

    def run(self, decide: Decide, call: str | None = "1", users: tuple[str, ...] = ()) -> Decision:
        named = CallId(call) if call is not None else None
        self.stored.store.transact(named, tuple(map(UserId, users)), decide, self._done)
        self.stored.settle()
        return self.done[-1]

    def _done(self, decision: Decision | StoreUnavailable) -> None:
        assert isinstance(decision, Decision)
        self.done.append(decision)

    def view(self, call: str | None = "1", users: tuple[str, ...] = ()) -> View:
        """What a decision on this call would see."""
        views: list[View] = []

        def look(view: View) -> Decision:
            views.append(view)
            return Decision()

        self.run(look, call, users)
        return views[-1]

    def find(self, call: str) -> Call | None:
        found: list[Call | None] = []
        self.stored.store.find(CallId(call), found.append)
        return found[0]

    def due(self, limit: int = 100) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        self.stored.store.due(limit, lambda call, kind: found.append((call, kind.value)))
        return found
