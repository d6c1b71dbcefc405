"""Memory after 200,000 users came, called and went equals memory after the first 100,000.

Everything that the server keeps for a while is full, or has gone by, long before the first reading: ended calls
(`ENDED_CALLS`), users whose leaving is remembered (`USERS_SEEN`), presence that is told 5 s late. The rate limit is
off: it remembers a user for two minutes, about as long as all of this takes; `tests/test_limits.py` shows that it
forgets.
"""

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from bench.servers import Server, contestants
from onlycare_socket.sockets import USERS_SEEN
from tests.endurance.visits import House

VISITS: Final = int(os.environ.get("VISITS", "200000"))
HOSTS: Final = 32
ENDED_CALLS: Final = 5_000
QUIET: Final = 8.0
"""Seconds before a reading: presence is told 5 s late, and the file is written meanwhile."""
MAY_DIFFER: Final = 0.05
LOG: Final = 256 * 2**20
"""Bytes of SQLite's log of changes: gigabytes, if no checkpoint ever lets it begin anew."""
SETTINGS: Final = {
    "RATE_LIMIT": "0",
    "ENDED_CALLS": str(ENDED_CALLS),
    "PRESENCE_SCOPE": "watched",
}


class Reading(NamedTuple):
    """Bytes of memory: resident, and the part of it that is no file's.

    The proportional share (PSS) would not do: it grows when another process ends that had the same libraries loaded.
    """

    rss: int
    anonymous: int

    def __str__(self) -> str:
        return f"RSS {self.rss / 2**20:.1f} MB, anonymous {self.anonymous / 2**20:.1f} MB"


def read(server: Server) -> Reading:
    """Returns the memory of the server's process now (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{server.pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Reading(kilobytes["Rss"] * 1024, kilobytes["Anonymous"] * 1024)


@contextmanager
def started() -> Iterator[Server]:
    """Runs a server with a SQLite file, on any core."""
    server = Server(contestants(sys.executable)["onlycare-sqlite"], SETTINGS, frozenset(os.sched_getaffinity(0)))
    try:
        server.start()
        yield server
        assert server.gone() is None
    finally:
        server.close()


def beside_the_calls(server: Server) -> int:
    """Returns the bytes of what SQLite writes beside its file: the log of changes, and the index of that."""
    return sum(file.stat().st_size for file in Path(f"/proc/{server.pid}/cwd/").glob("calls.db-*"))


def after(visits: int, house: House, server: Server) -> Reading:
    """Returns the memory after so many visits more, when nothing is left of them but what is kept on purpose."""
    house.take(visits)
    house.rest(QUIET)
    with urllib.request.urlopen(f"{server.url}/health", timeout=10) as answer:
        health = json.load(answer)
    assert (health["connectedUsers"], health["activeCalls"]) == (HOSTS, 0), health
    return read(server)


def test_memory_does_not_grow_with_those_who_came_and_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert max(ENDED_CALLS, USERS_SEEN) < VISITS / 3, "nothing may still be filling up at the first reading"
    with started() as server:
        house = House(server.port, HOSTS)
        house.open()
        try:
            half = after(VISITS // 2, house, server)
            whole = after(VISITS - VISITS // 2, house, server)
            log = beside_the_calls(server)
        finally:
            house.close()
    megabytes = log / 2**20
    with capsys.disabled():
        print(f"\nafter {VISITS // 2:,} visits: {half}; after {VISITS:,}: {whole}, {megabytes:.0f} MB beside the file")
    assert abs(whole.rss - half.rss) <= MAY_DIFFER * half.rss, (half, whole)
    assert abs(whole.anonymous - half.anonymous) <= MAY_DIFFER * half.anonymous, (half, whole)
    assert log <= LOG
