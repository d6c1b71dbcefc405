"""Processes of a run: started on the cores they are to have, and ended with it whatever happens.

A child gets a session of its own, so that Ctrl-C reaches only the harness, which then ends its children in order.
"""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psutil

_PATIENCE: Final = 20.0
"""Seconds a process may take to end after SIGTERM."""


class Failed(Exception):
    """A run could not be measured; the text is one sentence for its row."""


class Cores(NamedTuple):
    """Which cores servers run on and which everything else."""

    server: frozenset[int]
    others: frozenset[int]

    @property
    def pinned(self) -> bool:
        """Whether the two are kept apart."""
        return not self.server & self.others


def available() -> Cores:
    """Returns the cores this process may use, shared out."""
    return share_out(os.sched_getaffinity(0))


def share_out(cores: set[int]) -> Cores:
    """Gives the first core to the server and the rest to the others; a single one to both."""
    first = frozenset([min(cores)])
    return Cores(first, frozenset(cores - first) or first)


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Puts this thread on some cores; children keep them, with every thread they will ever start."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    command: Sequence[str],
    *,
    cores: frozenset[int],
    log: Path,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    piped: bool = False,
) -> subprocess.Popen[str]:
    """Starts a process; what it writes is added to `log`, except its standard output when that is `piped`."""
    with on(cores), log.open("a") as written:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else written,
            stderr=written,
            env=environ,
            cwd=cwd,
            text=True,
            start_new_session=True,
        )


def end(process: subprocess.Popen[str]) -> None:
    """Asks a process to end and waits for it; one that does not is killed. Whatever it started goes with it."""
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _kill_session(process)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _kill_session(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """Returns the CPU time a process has taken since it was started; raises Failed when it has ended."""
    try:
        taken = psutil.Process(process.pid).cpu_times()
    except psutil.NoSuchProcess:
        raise Failed(f"{process.args!r} has ended") from None
    return float(taken.user + taken.system)


def free_port() -> int:
    """Returns a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def last_lines(log: Path, count: int = 3) -> str:
    """Returns the end of a log in one line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-count:])
