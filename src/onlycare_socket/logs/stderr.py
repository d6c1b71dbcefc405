"""The end of the log: a file that may be slow, stuck or gone, and must never hold up a call."""

import os
import select
import sys
import threading

_STDERR = 2
_PIECE = 4096
"""Bytes written at once. A pipe that polls as writable takes this many without waiting (pipe(7), PIPE_BUF)."""


class Stderr:
    """Writes whole lines to a file descriptor and never waits.

    A line for which there is no room is dropped and counted; the count is written as soon as there is room again.
    When the reader is gone for good, lines are dropped silently: a server outlives its log.
    """

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._unsaid = 0
        self._torn = False
        self.lost = 0
        """Lines dropped since the start."""
        if fd == _STDERR and sys.stderr is None:
            fd = -1  # closed before Python started: the number belongs by now to a socket, perhaps to a client's
        try:
            self.is_terminal = os.isatty(fd)
            os.fstat(fd)
            self._poll.register(fd, select.POLLOUT)
        except OSError:
            self._fd, self.is_terminal = None, False

    def write_line(self, line: str) -> None:
        """Writes one line, or drops it when that would mean waiting."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            if self._unsaid and self._write(self._apology()):
                self._unsaid = 0
            if self._unsaid or not self._write(data):
                self._unsaid += 1
                self.lost += 1

    debug = info = warning = warn = error = critical = exception = fatal = msg = log = write_line
    """structlog calls the method named like the level; the line is rendered by then."""

    def _apology(self) -> bytes:
        return f'{{"level":"warning","event":"log lines were dropped","count":{self._unsaid}}}\n'.encode()

    def _write(self, data: bytes) -> bool:
        """Returns False when nothing, or not all, could be written without waiting."""
        if self._torn:
            data = b"\n" + data
        view = memoryview(data)
        while view:
            try:
                if self._fd is None or not self._poll.poll(0):
                    break
                view = view[os.write(self._fd, view[:_PIECE]) :]
            except BlockingIOError:
                break
            except OSError:  # the reader is gone: EPIPE, EBADF, EIO
                self._fd = None
        written = len(data) - len(view)
        self._torn = bool(view) if written else self._torn
        return not view
