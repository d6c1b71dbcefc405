"""A process that decides on calls without end, and says of each what it was told, to be killed at any moment.

`python -m tests.adapters.sqlite_child FILE SEED` writes a line for each `done`: `call ID VERSION STATE`, and `kept KEY`
or `dropped KEY` when the facts are settled; `dropping KEY` before it drops one.
"""

import asyncio
import itertools
import os
import random
import sys
from functools import partial
from pathlib import Path

import structlog
from msgspec.structs import replace

from onlycare_socket.adapters.sqlite_facts import SqliteFacts
from onlycare_socket.adapters.sqlite_file import CallsFile
from onlycare_socket.adapters.sqlite_life import SqliteLife
from onlycare_socket.calls.call import Step
from onlycare_socket.calls.decision import Decision, View
from onlycare_socket.calls.ids import CallId
from onlycare_socket.calls.restart import not_kept, taken_up
from onlycare_socket.calls.states import State
from onlycare_socket.calls.terms import Terms
from onlycare_socket.clock import SystemClock
from onlycare_socket.ports import StoreUnavailable
from tests.ports.adapters import a_call

from .sqlite_stores import over

numbers = itertools.count()


def say(*words: object) -> None:
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def advanced(id_: CallId, view: View) -> Decision:
    """Dials, accepts or ends the call, whichever comes next."""
    before, number = view.call, int(id_)
    if before is None:
        after = a_call(id_, f"a{number}", f"b{number}", created=view.now, ring_at=view.now + 30_000)
    elif before.state is State.RINGING:
        after = replace(before, version=before.version + 1, state=State.ACCEPTED, accepted=view.now)
    elif before.state is State.ACCEPTED:
        after = over(before, view.now)
    else:
        return Decision()
    return Decision(calls=(after,), steps=((id_, Step(view.now, f"{after.state}")),))


def told(decision: Decision | StoreUnavailable) -> None:
    assert isinstance(decision, Decision)
    for call in decision.calls:
        say("call", call.id, call.version, call.state)


async def main(path: Path, seed: int) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    chance, clock = random.Random(seed), SystemClock()
    life = SqliteLife(CallsFile(path), clock, partial(taken_up, Terms()), partial(not_kept, Terms()))
    store = life.store
    facts = SqliteFacts(store)
    await life.start()
    say("up")
    keys: list[str] = []
    while True:
        for _ in range(chance.randrange(1, 6)):
            id_ = CallId(str(seed * 1_000_000 + chance.randrange(300)))
            store.transact(id_, (), partial(advanced, id_), told)
        if keys and chance.random() < 0.3:
            key = keys.pop(chance.randrange(len(keys)))
            say("dropping", key)
            facts.drop("kind", key)
            facts.settled(partial(say, "dropped", key))
        else:
            keys.append(f"{seed}-{next(numbers)}")
            facts.keep("kind", keys[-1], keys[-1].encode())
            facts.settled(partial(say, "kept", keys[-1]))
        await asyncio.sleep(chance.choice((0, 0, 0, 0.001)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
