"""Where the calls of a deployment are kept: the store, the log that reads it, and their life, chosen by one setting."""

from functools import partial
from pathlib import Path

from onlycare_socket.adapters.memory import MemoryCallLog, MemoryCallStore
from onlycare_socket.calls.restart import taken_up
from onlycare_socket.calls.terms import Terms
from onlycare_socket.clock import Clock
from onlycare_socket.config.values import SQLITE
from onlycare_socket.ports import Storage, StorageError


def storage(setting: str, clock: Clock, terms: Terms, ended_calls: int) -> Storage:
    """Returns what the setting STORE names; imports what is used and nothing else."""
    if setting.startswith(SQLITE):
        return _sqlite(Path(setting.removeprefix(SQLITE)), clock, terms, ended_calls)
    store = MemoryCallStore(clock, ended_calls)
    return Storage(store=store, log=MemoryCallLog(store))


def _sqlite(path: Path, clock: Clock, terms: Terms, ended_calls: int) -> Storage:
    import sqlite3

    from onlycare_socket.adapters.sqlite import SqliteCallLog, SqliteCallStore
    from onlycare_socket.adapters.sqlite_file import CallsFile, FileInUse

    store = SqliteCallStore(CallsFile(path), clock, partial(taken_up, terms), ended_calls)
    log = SqliteCallLog(store, clock)

    async def start() -> None:
        try:
            await store.start()
        except (FileInUse, OSError, sqlite3.Error) as error:
            raise StorageError(getattr(error, "strerror", None) or str(error)) from None

    async def stop() -> None:
        await log.stop()
        await store.stop()

    return Storage(store=store, log=log, start=start, stop=stop, trouble=lambda: "DEGRADED" if store.degraded else None)
