"""What a server process does beside serving: how it ends, what its standard files are like."""

import asyncio
import contextlib
import os
import select
import signal
import threading

OVERDUE = b"onlycare-socket: stopping took too long, so the process was ended before it was done\n"
"""Written past the log, which may be what hangs."""


def hold_standard_files() -> None:
    """Opens those of descriptors 0, 1 and 2 that are closed: libuv aborts when it has to close a socket numbered so."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def give_up() -> None:
    """Ends the process on the spot with exit code 1, and says so on standard error if that takes it at once."""
    with contextlib.suppress(OSError):
        if select.select((), (2,), (), 0)[1]:  # a pipe that nobody reads would hold up the end
            os.write(2, OVERDUE)
    os._exit(1)


class Ending:
    """How the process ends: orderly at the first signal, at once at the second, and never later than it must."""

    def __init__(self, most: float) -> None:
        """`most` is the seconds that an orderly end may take."""
        self._most = most
        self._asked = asyncio.Event()
        self._overdue: threading.Timer | None = None

    def heed(self) -> None:
        """Takes signals from now on: to be called on the loop before anything is open."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)

    async def asked_for(self) -> None:
        """Returns when a signal has asked for the end."""
        await self._asked.wait()

    def over(self) -> None:
        """The orderly end has come about in time."""
        if self._overdue is not None:
            self._overdue.cancel()

    def _signalled(self, number: int) -> None:
        if self._asked.is_set():
            os._exit(128 + number)
        self._asked.set()
        # A thread, since what hangs may be the loop itself, or another thread that its end waits for.
        self._overdue = threading.Timer(self._most, give_up)
        self._overdue.daemon = True
        self._overdue.start()
