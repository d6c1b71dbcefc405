"""A log in a file that logrotate may move at any moment, without telling anybody and without losing a line."""

import os
import threading

_MODE = 0o640


class LogFile:
    """Appends whole lines to a file. Before each it looks whether the file was moved or removed, and makes it anew.

    A line that cannot be written, as on a full disk, is dropped and counted; the count is written as soon as there is
    room again: a server outlives its log.
    """

    is_terminal = False

    def __init__(self, path: str) -> None:
        """Raises OSError when the file can be neither opened nor made."""
        self._path = path
        self._lock = threading.Lock()
        self._unsaid = 0
        self._torn = False
        self.lost = 0
        """Lines dropped since the start."""
        self._open()

    def write_line(self, line: str) -> None:
        """Writes one line."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            try:
                self._follow()
                if self._unsaid:
                    self._write(
                        f'{{"level":"warning","event":"log lines were dropped","count":{self._unsaid}}}\n'.encode()
                    )
                    self._unsaid = 0
                self._write(data)
            except OSError:
                self._unsaid += 1
                self.lost += 1

    debug = info = warning = warn = error = critical = exception = fatal = msg = log = write_line
    """structlog calls the method named like the level; the line is rendered by then."""

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        self._is = os.fstat(self._fd)

    def _follow(self) -> None:
        try:
            if os.path.samestat(os.stat(self._path), self._is):
                return
        except FileNotFoundError:
            pass
        before = self._fd
        self._open()
        os.close(before)
        self._torn = False

    def _write(self, data: bytes) -> None:
        """Raises OSError unless all of it was written; a piece of a line is left for what it is."""
        data = b"\n" + data if self._torn else data
        written = os.write(self._fd, data)
        self._torn = written < len(data) and (written > 0 or self._torn)
        if written < len(data):
            raise OSError("the disk is full")
