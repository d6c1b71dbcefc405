"""Where the calls of a deployment are kept: the store, the log that reads it, and their life, chosen by one setting."""

from functools import partial
from pathlib import Path

from onlycare_socket.adapters.absent import AbsentFacts
from onlycare_socket.adapters.memory import MemoryCallLog, MemoryCallStore
from onlycare_socket.calls.restart import not_kept, taken_up
from onlycare_socket.calls.terms import Terms
from onlycare_socket.clock import Clock
from onlycare_socket.config import Settings
from onlycare_socket.config.values import SQLITE
from onlycare_socket.ports import Storage, StorageError


def storage(settings: Settings, clock: Clock, terms: Terms) -> Storage:
    """Returns what the setting STORE names; imports what is used and nothing else."""
    if settings.store.startswith(SQLITE):
        return _sqlite(settings, clock, terms)
    store = MemoryCallStore(clock, settings.ended_calls)
    return Storage(store=store, log=MemoryCallLog(store), facts=AbsentFacts())


def _sqlite(settings: Settings, clock: Clock, terms: Terms) -> Storage:
    import sqlite3

    from onlycare_socket.adapters.sqlite_facts import SqliteFacts
    from onlycare_socket.adapters.sqlite_file import CallsFile, FileInUse
    from onlycare_socket.adapters.sqlite_life import SqliteLife
    from onlycare_socket.adapters.sqlite_log import SqliteCallLog

    path = Path(settings.store.removeprefix(SQLITE))
    file = CallsFile(path, full_sync=settings.store_sync == "full")
    life = SqliteLife(file, clock, partial(taken_up, terms), partial(not_kept, terms), settings.ended_calls)
    store = life.store

    async def start() -> None:
        try:
            await life.start()
        except OSError as error:
            raise StorageError(f"{error.filename or path}: {error.strerror}") from None
        except (FileInUse, sqlite3.Error) as error:
            raise StorageError(str(error)) from None

    return Storage(
        store=store,
        log=SqliteCallLog(store, clock),
        facts=SqliteFacts(store),
        start=start,
        stop=life.stop,
        trouble=lambda: "DEGRADED" if store.health.degraded else None,
        commit_seconds=store.commit_seconds,
        failures=lambda: store.failures,
    )
