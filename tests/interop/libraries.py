"""The foreign libraries, how their programs are built and started, and the transports each is played on."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

HERE: Final = Path(__file__).parent
TRANSPORTS: Final = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}
"""The lists that the libraries are given; the last is the Android app's: polling first, then the upgrade."""


TAKEN_FOR_FINAL: Final = "server disconnect"
"""python-socketio's word for an Engine.IO close packet; it does not try again after it, as all others do."""


class Library(NamedTuple):
    """One foreign library: the folder of its program, what starts it, what must be installed, what builds it.

    `lost_poll` and `lost_websocket` are its words for a connection that the server ended below Socket.IO; a client
    that is between two polls just then finds nobody there, which every library calls an error of the transport.
    """

    folder: str
    run: tuple[str, ...]
    needs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    lost_poll: tuple[str, ...] = ("transport close", "transport error")
    lost_websocket: tuple[str, ...] = ("transport close",)


def _javascript(package: str) -> Library:
    return Library(
        folder="js",
        run=("node", "phone.mjs", package),
        needs=("node", "npm"),
        sources=("package-lock.json",),
        build=("npm", "ci", "--no-audit", "--no-fund"),
    )


LIBRARIES: Final = {
    "js": _javascript("socket.io-client"),
    "js-4.0": _javascript("socket.io-client-4.0"),
    "java": Library(
        folder="java",
        run=("java", "-Xmx128m", "-XX:+UseSerialGC", "-jar", "target/phone.jar"),
        needs=("java", "mvn"),
        sources=("pom.xml", "src"),
        build=("mvn", "-q", "-B", "package"),
        lost_websocket=("transport error",),
    ),
    "python": Library(
        folder="python",
        run=(sys.executable, "phone.py"),
        lost_poll=(TAKEN_FOR_FINAL, "transport error"),
        lost_websocket=("transport error",),
    ),
}


def prepare(library: Library) -> Path:
    """Builds a program once for its present sources, and returns its folder.

    Skips the test if a tool is missing; fails it instead if REQUIRE_ALL_LANES=1 says that none may be left out.
    """
    missing = [tool for tool in library.needs if shutil.which(tool) is None]
    if missing:
        leave_out(f"{' and '.join(missing)} must be installed for the clients in tests/interop/{library.folder}")
    folder = HERE / library.folder
    if library.build and not _is_built(library, folder):
        done = subprocess.run(library.build, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(library.build)} failed:\n{done.stdout}{done.stderr}"
        _stamp(folder).parent.mkdir(exist_ok=True)
        _stamp(folder).write_text(_digest(library, folder))
    return folder


def leave_out(reason: str) -> None:
    """Skips the test for this reason, or fails it where every lane has to run."""
    if os.environ.get("REQUIRE_ALL_LANES") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _is_built(library: Library, folder: Path) -> bool:
    stamp = _stamp(folder)
    return stamp.exists() and stamp.read_text() == _digest(library, folder)


def _stamp(folder: Path) -> Path:
    """Lies with what was built, so that it goes when that is removed."""
    return folder / ("node_modules" if folder.name == "js" else "target") / ".built-from"


def _digest(library: Library, folder: Path) -> str:
    digest = hashlib.sha256()
    for source in library.sources:
        path = folder / source
        for file in [path] if path.is_file() else sorted(path.rglob("*.java")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
