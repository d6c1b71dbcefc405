"""The thread that reads the file: a question to it holds up neither the loop nor a commit."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog

from onlycare_socket.adapters.sqlite_file import CallsFile, close

MOST_ASKED: Final = 1_000
"""Questions that wait at one time; a further one finds nothing."""

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Reader:
    """Answers questions to the file, one after the other."""

    def __init__(self, file: CallsFile) -> None:
        self.loop: asyncio.AbstractEventLoop
        """Where answers are given; to be set before anything is asked."""
        self._file = file
        self._stopped = False
        self._thread = ThreadPoolExecutor(1, "calls-reader")
        self._connection: sqlite3.Connection | None = None
        self._begun = 0
        self._asked: set[asyncio.Future[Any]] = set()

    def ask(self, read: Callable[[sqlite3.Connection], T], nothing: T, done: Callable[[T], object]) -> None:
        """Calls `done` on the loop with what `read` finds, or with `nothing` when the file cannot be read.

        `nothing` is the answer at once when too many wait.
        """

        def reading() -> T:
            try:
                if self._connection is None or self._begun != self._file.begun:
                    close(self._connection)
                    self._begun, self._connection = self._file.begun, self._file.connect()
                return read(self._connection)
            except (sqlite3.Error, ValueError) as error:
                close(self._connection)
                self._connection = None
                log.warning("the file of calls cannot be read", file=str(self._file.path), reason=str(error))
                return nothing

        if self._stopped or len(self._asked) >= MOST_ASKED:
            done(nothing)
            return
        answer = self.loop.run_in_executor(self._thread, reading)
        self._asked.add(answer)
        answer.add_done_callback(self._asked.discard)
        answer.add_done_callback(lambda answer: done(answer.result()))

    async def idle(self) -> None:
        """Returns when everybody who asked has his answer."""
        await asyncio.gather(*self._asked)

    async def stop(self) -> None:
        """Answers what was asked, and ends the thread."""
        self._stopped = True
        await asyncio.to_thread(self._thread.shutdown)
        await self.idle()
        await asyncio.to_thread(close, self._connection)
