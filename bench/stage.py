"""What a scenario works with: servers, the load and what stands beside them, each on its cores and surely ended."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from bench import processes
from bench.machine import ROOT
from bench.processes import Cores, Failed
from bench.results import Figures
from bench.servers import Contestant, Server

Heard = Callable[[dict[str, Any]], None]
_LOAD_MAY_TAKE: Final = 300.0
"""Seconds after which a load that says nothing more of use is given up."""
_BACKEND_START: Final = 10.0
_CRASH: Final = 0.5


class Bystanders:
    """Watches who else takes CPU time while a server is measured: strangers on its core, the backend's stand-in."""

    def __init__(self, server: Server, backend: "subprocess.Popen[str] | None", cores: Cores) -> None:
        self._server, self._backend, self._cores = server, backend, cores
        self.begin()

    def begin(self) -> None:
        """Counts from now on."""
        self._begun = time.monotonic()
        self._before = (self._busy(), self._server.cpu_seconds(), self._of_backend())

    def shares(self) -> Figures:
        """Returns shares of a core: what strangers took of the server's, and what the backend's stand-in took."""
        seconds = time.monotonic() - self._begun
        busy, own, backend = self._before
        found = {"backend_share": (self._of_backend() - backend) / seconds} if self._backend else {}
        if self._cores.pinned:
            others = self._busy() - busy - (self._server.cpu_seconds() - own)
            found["others_share"] = max(0.0, others / seconds)
        return found

    def _busy(self) -> float:
        times = psutil.cpu_times(percpu=True)
        busy = ("user", "nice", "system", "irq", "softirq", "steal")
        return sum(float(getattr(times[core], name)) for core in self._cores.server for name in busy)

    def _of_backend(self) -> float:
        return processes.cpu_seconds(self._backend) if self._backend else 0.0


class Stage:
    """Starts what a scenario asks for. To be used as a context: at its end nothing runs any more."""

    def __init__(self, python: str, cores: Cores, progress: Callable[[float, str], None]) -> None:
        """`python` runs the load too; `progress` is told how far a run is, from 0 to 1, and what it does."""
        self.python = python
        self.cores = cores
        self._progress = progress
        self._directory = tempfile.TemporaryDirectory(prefix="bench-")
        self._backend: subprocess.Popen[str] | None = None
        self._affinity = os.sched_getaffinity(0)

    def __enter__(self) -> "Stage":
        os.sched_setaffinity(0, self.cores.others)
        return self

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self._affinity)
        self._directory.cleanup()

    @contextmanager
    def server(self, contestant: Contestant, settings: Mapping[str, str]) -> Iterator[Server]:
        """Runs a contestant on the server's core. Raises Failed when it does not start, or ended by itself."""
        server = Server(contestant, settings, self.cores.server)
        try:
            server.start()
            yield server
            if reason := server.gone():
                raise Failed(reason)
        finally:
            server.close()

    @contextmanager
    def backend(self, delay_ms: int = 20) -> Iterator[str]:
        """Runs the stand-in of the Laravel verification, and gives its address."""
        port = processes.free_port()
        with self._beside("backend", "bench/backend.py", "--port", str(port), "--delay-ms", str(delay_ms)) as process:
            deadline = time.monotonic() + _BACKEND_START
            while not processes.listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"the backend's stand-in did not start: {processes.last_lines(self._log('backend'))}")
                time.sleep(0.02)
            self._backend = process
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                self._backend = None

    @contextmanager
    def empty_loop(self, interval_ms: float, into: Figures) -> Iterator[Callable[[], None]]:
        """Runs an event loop with nothing to do on the server's core; at the end its lag is put into the figures.

        What is given makes it begin anew.
        """
        command = ("-m", "bench.empty_loop", "--interval-ms", str(interval_ms))
        with self._beside("empty loop", *command, cores=self.cores.server) as process:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise Failed(f"the empty loop did not start: {processes.last_lines(self._log('empty loop'))}")
            yield lambda: process.send_signal(signal.SIGUSR1)
            process.send_signal(signal.SIGTERM)
            into |= json.loads(process.stdout.readline() or "{}")

    def load(self, server: Server, scenario: str, *options: object, heard: Heard = lambda _: None) -> dict[str, Any]:
        """Runs the load against a server and returns its result.

        `heard` is called with every event that the load reports on its way, and the load goes on meanwhile. Raises
        Failed with the load's own sentence when something came that should not have.
        """
        command = ("-m", "bench.load", scenario, "--port", str(server.port), "--pid", str(server.pid))
        with self._beside("load", *command, *map(str, options)) as process:
            beside = Bystanders(server, self._backend, self.cores)

            def hear(event: dict[str, Any]) -> None:
                if event["event"] == "lost":  # what is measured of a restart begins here, and with a new process
                    beside.begin()
                heard(event)

            overdue = threading.Timer(_LOAD_MAY_TAKE, process.kill)
            overdue.start()
            try:
                result = self._result(process, hear)
                shares = beside.shares()
                together = shares.get("backend_share", 0.0) + result["load_cpu_seconds"] / result["seconds"]
                return result | shares | {"beside_share": together / len(self.cores.others)}
            except Failed as failure:
                # A server that has just crashed may have closed its sockets before it is gone.
                reason = server.gone(_CRASH)
                raise Failed(f"{failure} ({reason})" if reason else str(failure)) from None
            finally:
                overdue.cancel()

    def _result(self, process: "subprocess.Popen[str]", heard: Heard) -> dict[str, Any]:
        assert process.stdout is not None
        for text in process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                raise Failed(f"the load said what is no JSON: {text[:200]}") from None
            if "progress" in line:
                self._progress(line["progress"], line.get("what", ""))
            elif "event" in line:
                heard(line)
            elif "error" in line:
                raise Failed(line["error"])
            elif "result" in line:
                return dict(line["result"])
        raise Failed(f"the load ended without a result: {processes.last_lines(self._log('load'))}")

    @contextmanager
    def _beside(
        self, name: str, *arguments: str, cores: frozenset[int] | None = None
    ) -> Iterator["subprocess.Popen[str]"]:
        self._log(name).write_text("")
        process = processes.start(
            [self.python, *arguments],
            cores=cores or self.cores.others,
            log=self._log(name),
            environ=os.environ,
            cwd=ROOT,
            piped=True,
        )
        try:
            yield process
        finally:
            processes.end(process)

    def _log(self, name: str) -> Path:
        return Path(self._directory.name, name)
