"""Tries what a server that was taken over would try, and prints as JSON what it could do: to be run inside a sandbox.

python3 sandbox_probe.py STATE_DIRECTORY
"""

import ctypes
import json
import mmap
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

_NEW_USERS = 0x10000000  # CLONE_NEWUSER of unshare(2)
_KERNELS = ("/proc", "/sys", "/dev/fd")


def main() -> None:
    attempts: dict[str, Callable[[], object]] = {
        "run what is installed": partial(subprocess.run, ["/bin/true"], check=True),
        "keep a database": partial(_keep_database, sys.argv[1]),
        "get memory to write and run": partial(
            mmap.mmap, -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        ),
        "use netlink": partial(_open_socket, socket.AF_NETLINK),
        "use the internet": partial(_open_socket, socket.AF_INET6),
        "make namespaces": _unshare,
        "see other processes": partial(os.stat, "/proc/1"),
    }
    writes = sorted(_writable("/"))
    runs = [path for path in writes if os.path.isdir(path) and _possible(partial(_write_and_run, path))]
    possible = [name for name, attempt in attempts.items() if _possible(attempt)]
    print(json.dumps({"writes": writes, "runs what it wrote in": runs, "may": possible}))


def _writable(top: str) -> Iterator[str]:
    """Finds every folder and plain file that may be written to, without those in such a folder."""
    for folder, below, files in os.walk(top):
        if os.access(folder, os.W_OK):
            yield folder
            below.clear()
            continue
        paths = (os.path.join(folder, name) for name in files)
        yield from (path for path in paths if os.path.isfile(path) and os.access(path, os.W_OK))
        below[:] = [name for name in below if os.path.join(folder, name) not in _KERNELS]


def _possible(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, sqlite3.Error):
        return False
    return True


def _write_and_run(folder: str) -> None:
    program = Path(folder, "probe.sh")
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o700)
    subprocess.run([program], check=True)


def _keep_database(folder: str) -> None:
    database = sqlite3.connect(Path(folder, "probe.db"))
    database.execute("PRAGMA journal_mode=WAL")
    with database:
        database.execute("CREATE TABLE probe (number INTEGER)")
    database.close()
    for file in Path(folder).glob("probe.db*"):
        file.unlink()


def _open_socket(family: int) -> None:
    socket.socket(family, socket.SOCK_DGRAM).close()


def _unshare() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USERS):
        raise OSError(ctypes.get_errno(), "unshare")


if __name__ == "__main__":
    main()
