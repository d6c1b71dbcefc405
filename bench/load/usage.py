"""What processes use, read from /proc: CPU time and resident memory."""

import os
from pathlib import Path
from time import perf_counter
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """Returns the process and all that descend from it."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process and its descendants so far, also of those that ended (proc(5), stat)."""
    ticks = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def resident_bytes(pid: int | None) -> int | None:
    """Returns the resident memory of a process and its descendants, if one was named."""
    if pid is None:
        return None
    return PAGE * sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in family(pid))


class Window:
    """A measured stretch of time: how long it was, and the CPU that the server and the load used in it.

    The server's CPU is None when no process was named, or when it is not the same one at both ends.
    """

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._server = self._server_cpu()
        self._load = cpu_seconds(os.getpid())
        self._begun = perf_counter()

    def close(self) -> dict[str, float | None]:
        """Returns the figures that every result has."""
        seconds = perf_counter() - self._begun
        server = self._server_cpu()
        load = cpu_seconds(os.getpid()) - self._load
        used = None if server is None or self._server is None else round(server - self._server, 3)
        return {
            "seconds": round(seconds, 4),
            "server_cpu_seconds": used,
            "load_cpu_seconds": round(load, 3),
            "load_share": round(load / seconds, 3),
        }

    def _server_cpu(self) -> float | None:
        if self._pid is None:
            return None
        try:
            return cpu_seconds(self._pid)
        except (FileNotFoundError, ProcessLookupError):
            return None
