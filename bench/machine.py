"""The machine and the versions that figures belong to."""

import json
import os
import platform
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

ROOT: Final = Path(__file__).parent.parent
PEERS: Final = ROOT / "bench" / "peers"
PACKAGES: Final = ("aiohttp", "msgspec", "picows", "uvloop", "python-socketio", "uvicorn")
_ASK_PYTHON: Final = """
import importlib.metadata, json, platform, sys, sysconfig
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
asked = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
of_debian = "deb_system" in sysconfig.get_scheme_names()
from onlycare_socket.compiled import COMPILED
print(json.dumps({
    "compiled": COMPILED,
    "version": f"{platform.python_implementation()} {platform.python_version()}",
    "profile_guided": asked or of_debian,
    "packages": {name: version(name) for name in sys.argv[1:]},
}))
"""


class Python(Struct):
    """The interpreter that runs the Python servers."""

    version: str
    profile_guided: bool
    """Whether it was built with profile-guided optimization; one that was not is about a third slower."""
    packages: dict[str, str | None]
    compiled: bool = False
    """Whether the path of a call is machine code there: the wheel of `make wheel` is installed."""


class Machine(Struct):
    """What the figures were taken on and with."""

    cpu: str
    cores: int
    server_cores: list[int]
    """Where the servers ran; empty when nothing was pinned, because there is but one core."""
    memory_mb: int
    kernel: str
    load_average: float
    """Of the minute before the run: what else the machine was doing."""
    file_limit: int
    python: Python
    node: str | None
    socket_io: str | None
    revision: str | None
    """The commit of this project, with `+` when files were changed since."""

    def warnings(self) -> list[str]:
        """Returns what makes these figures worse than the servers are."""
        found = []
        if not self.python.profile_guided:
            found.append(
                f"{self.python.version} was built without profile-guided optimization and is about a third slower than "
                "one built with it, such as Debian's: make clean, then make bench PYTHON=/usr/bin/python3"
            )
        if not self.python.compiled:
            found.append("this server runs uncompiled; what production installs is measured by make bench")
        if self.load_average > 0.5:
            found.append(f"the machine was busy when this began: load average {self.load_average:.1f}")
        if not self.server_cores:
            found.append(
                "this machine has one core, so nothing is pinned, and the load takes CPU time from the servers"
            )
        return found


def describe(python: str, server_cores: list[int]) -> Machine:
    """Returns what can be found out about this machine and the interpreter at that path."""
    return Machine(
        cpu=_cpu(),
        cores=psutil.cpu_count() or 1,
        server_cores=server_cores,
        memory_mb=psutil.virtual_memory().total >> 20,
        kernel=platform.release(),
        load_average=round(os.getloadavg()[0], 2),
        file_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        python=_python(python),
        node=_said("node", "--version"),
        socket_io=_socket_io(),
        revision=_revision(),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _python(path: str) -> Python:
    answer = subprocess.run([path, "-c", _ASK_PYTHON, *PACKAGES], capture_output=True, text=True, check=True)
    return Python(**json.loads(answer.stdout))


def _socket_io() -> str | None:
    package = PEERS / "node_modules" / "socket.io" / "package.json"
    return str(json.loads(package.read_text())["version"]) if package.exists() else None


def _revision() -> str | None:
    commit = _said("git", "rev-parse", "--short", "HEAD")
    return commit and commit + ("+" if _said("git", "status", "--porcelain", "--untracked-files=no") else "")


def _said(*command: str) -> str | None:
    """Returns what a command writes, or None if there is no such command or it fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
