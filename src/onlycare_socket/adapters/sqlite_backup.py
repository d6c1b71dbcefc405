"""A copy of the file of calls, made while a server uses it."""

import errno
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

_WAITS = 5.0
"""Seconds to wait for a lock."""


def back_up(source: Path, target: Path) -> int:
    """Writes a sound copy as of one moment, and returns its size in bytes; the server goes on meanwhile.

    Nobody else may read it: it holds what the file of calls does. It appears under its name when it is whole.
    Raises sqlite3.Error and OSError; then there is no new file.
    """
    if not source.exists():
        raise FileNotFoundError(errno.ENOENT, "there is no file of calls", str(source))
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mode 600
    os.close(descriptor)
    try:
        _copy(source, unfinished)
        size = os.stat(unfinished).st_size
        os.replace(unfinished, target)
    except BaseException:
        os.unlink(unfinished)
        raise
    return size


def _copy(source: Path, target: str) -> None:
    uri = f"{source.absolute().as_uri()}?mode=rw"  # to read a log beside the database takes the right to write
    with closing(sqlite3.connect(uri, uri=True, timeout=_WAITS)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        # One file that can be carried away, instead of one with a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {' '.join(found.split())}")
    _to_disk(target)


def _to_disk(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
