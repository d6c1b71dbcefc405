"""What install.sh needs from the world, on a machine without a network: packages of Debian, PyPI and npm.

Everything is fetched once, in the machine's own Debian, and kept in build/roots beside the roots.
"""

import contextlib
import fcntl
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from .conftest import PROJECT
from .machine import Machine
from .roots import ROOTS, debian_root

CLEAN = ("dbus", "systemd-sysv")
"""A root with nothing but a system that boots."""

READY = (*CLEAN, "ca-certificates", "curl", "iproute2", "logrotate", "nginx", "openssl", "python3-venv", "ufw")
"""A root where apt has nothing left to do for a server under systemd."""

WITH_NODE = (*READY, "nodejs", "npm")
"""The same for PM2."""

ENVIRONMENT = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/pantry/wheels",
    "npm_config_cache": "/pantry/npm",
    "npm_config_offline": "true",
}
"""Has pip and npm take what is there."""

_MINUTES = 10
_DEBS = ("ca-certificates", "curl", "iproute2", "nginx", "openssl", "python3", "python3-venv")


def stock_apt(machine: Machine, suite: str) -> None:
    """Lets apt in a clean machine install what install.sh asks it for."""
    with _kept(f"apt-{suite}-{_short(' '.join(_DEBS))}") as folder:
        if not folder.exists():
            _fetch_debs(suite, folder)
    machine.put(folder / "archives", "/var/cache/apt/archives")
    machine.put(folder / "lists", "/var/lib/apt/lists")


def stock_pip(machine: Machine, suite: str) -> None:
    """Lets pip in a machine install the locked packages, those that build a wheel included."""
    locks = [PROJECT / "requirements.txt", PROJECT / "requirements-build.txt"]
    with _kept(f"wheels-{suite}-{_short(''.join(lock.read_text() for lock in locks))}") as folder:
        if not folder.exists():
            _fetch_wheels(suite, locks, folder)
    machine.put(folder, "/pantry/wheels")


def stock_npm(machine: Machine, suite: str) -> None:
    """Lets npm in a machine install PM2."""
    version = re.findall(r"^readonly PM2_VERSION=(\S+)", (PROJECT / "deploy/install.sh").read_text(), re.MULTILINE)[0]
    with _kept(f"npm-{suite}-pm2-{version}") as folder:
        if not folder.exists():
            _fetch_pm2(suite, version, folder)
    machine.put(folder, "/pantry/npm")
    machine.use_registries()  # npm finds a package in its cache by the registry's address


def _fetch_debs(suite: str, folder: Path) -> None:
    with Machine(debian_root(suite, CLEAN)) as machine, _unfinished(folder) as unfinished:
        machine.use_registries()
        machine.run("apt-get", "-q", "update", timeout=_MINUTES * 60, host_network=True)
        download = ["apt-get", "-qy", "install", "--no-install-recommends", "--download-only"]
        machine.run(*download, *_DEBS, timeout=_MINUTES * 60, host_network=True)
        for name, inside in (("archives", "/var/cache/apt/archives"), ("lists", "/var/lib/apt/lists")):
            shutil.copytree(machine.path(inside), unfinished / name, ignore=shutil.ignore_patterns("lock", "partial"))


def _fetch_wheels(suite: str, locks: list[Path], folder: Path) -> None:
    with Machine(debian_root(suite, READY)) as machine, _unfinished(folder) as unfinished:
        machine.use_registries()
        machine.run("python3", "-m", "venv", "/tmp/venv")
        download = ["/tmp/venv/bin/pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        for lock in locks:
            machine.put(lock, f"/tmp/{lock.name}")
            download += ["--requirement", f"/tmp/{lock.name}"]
        machine.run(*download, "--dest", "/tmp/wheels", timeout=_MINUTES * 60, host_network=True)
        shutil.copytree(machine.path("/tmp/wheels"), unfinished, dirs_exist_ok=True)


def _fetch_pm2(suite: str, version: str, folder: Path) -> None:
    with Machine(debian_root(suite, WITH_NODE)) as machine, _unfinished(folder) as unfinished:
        machine.use_registries()
        command = ["npm", "install", "--global", "--no-audit", "--no-fund", "--cache=/tmp/npm", f"pm2@{version}"]
        trusted = {"NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt"}
        machine.run(*command, timeout=_MINUTES * 60, env=trusted, host_network=True)
        shutil.copytree(machine.path("/tmp/npm"), unfinished, dirs_exist_ok=True)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextlib.contextmanager
def _kept(name: str) -> Iterator[Path]:
    """Keeps two test runs from fetching the same at once."""
    ROOTS.mkdir(parents=True, exist_ok=True)
    with (ROOTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield ROOTS / name


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Hands out a folder that gets its name when all went well."""
    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    yield unfinished
    unfinished.rename(folder)
