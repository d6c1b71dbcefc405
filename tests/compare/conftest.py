"""Two servers to compare, and the command run on them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from onlycare_socket.cli.compare.stories import STORIES
from tests.interop.server_process import SECRET, Server

from .old_servers import old_server

LONGEST: Final = 120
"""Seconds after which the command is taken to hang."""
SLOW: Final = [story.name for story in STORIES if story.slow or story.presence]
QUICK: Final = [story.name for story in STORIES if story.name not in SLOW and not story.risky]

Json = dict[str, Any]
Run = Callable[..., "Running"]


class Running:
    """The command while it runs."""

    def __init__(self, arguments: list[str], cwd: Path, environ: dict[str, str]) -> None:
        settings = {"PATH": os.environ["PATH"], "NO_COLOR": "1", "LARAVEL_API_SECRET": SECRET} | environ
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onlycare_socket", "compare", *arguments],
            cwd=cwd,
            env={name: value for name, value in settings.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        """Ends it if a test did not wait for it."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()

    def end(self, code: int) -> str:
        """Waits for it and returns what it wrote, errors last; it must end with this code and without a traceback."""
        out, errors = self.process.communicate(timeout=LONGEST)
        assert self.process.returncode == code, out + errors
        assert "Traceback" not in errors
        return out + errors

    def json(self, code: int = 0) -> Json:
        """Waits for it and returns the JSON it wrote."""
        out, errors = self.process.communicate(timeout=LONGEST)
        assert errors.startswith("onlycare-socket: warning: the phones of the users"), errors
        decoded: Json = json.loads(out)
        assert self.process.returncode == code, json.dumps(
            [s for s in decoded["stories"] if s["outcome"] == "surprise"]
        )
        return decoded


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Starts the command in a directory without settings, with three users of its own."""
    cwd = tmp_path_factory.mktemp("compare")
    started: list[Running] = []

    def start(*arguments: str, users: int = 100, **environ: str) -> Running:
        tokens = " ".join(f"{user}=dev:{user}" for user in range(users, users + 3))
        started.append(Running(list(arguments), cwd, {"ONLYCARE_TOKENS": tokens} | environ))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture(scope="session")
def old() -> Iterator[str]:
    with old_server() as url:
        yield url


@pytest.fixture(scope="session")
def new() -> Iterator[str]:
    with new_server() as url:
        yield url


def between(old: str, new: str) -> list[str]:
    """Returns the options of a comparison without pauses, for its JSON."""
    return ["--old", old, "--new", new, "--json", "--per-minute", "0", "--rounds", "0", "--settle", "0.03"]


@contextmanager
def new_server(**settings: str) -> Iterator[str]:
    """Runs a development server without a limit and gives its address."""
    server = Server("--dev", RATE_LIMIT="0", **settings)
    server.start()
    try:
        yield server.url
    finally:
        server.close()


def stories(names: list[str]) -> list[str]:
    """Returns the options that choose stories."""
    return [option for name in names for option in ("--story", name)]


class Long(NamedTuple):
    """The long runs: they mostly wait, so all of them are made at once, each with users of its own."""

    old_and_new: list[Running]
    """Every story but the risky ones on the old server and on the new one."""
    alike: list[Running]
    """The new server with itself: all stories as the app connects, and again by one transport alone."""


@pytest.fixture(scope="session")
def long_runs(run: Run, old: str, new: str) -> Iterator[Long]:
    with old_server(RING_TIMEOUT="2") as hasty_old, new_server(RING_TIMEOUT="2", CALLER_GRACE="0.5") as hasty_new:
        quick = [*between(old, new), "--patience", "0.7"]
        slow = [*between(hasty_old, hasty_new), "--patience", "0.7", "--with-timeouts", "--ring-timeout", "2"]
        alike = [*between(new, new), "--patience", "10"]
        half, rest = stories(QUICK[::2]), stories(QUICK[1::2])
        yield Long(
            [run(*quick, *stories(QUICK[start::5]), users=1000 + 10 * start) for start in range(5)]
            + [run(*slow, *stories(SLOW[start::2]), users=2000 + 10 * start) for start in range(2)],
            [
                run(*alike, *half, users=3000),
                run(*alike, *rest, users=3010),
                run(*alike, *half, "--transport", "polling", users=3020),
                run(*alike, *rest, "--transport", "websocket", users=3030),
            ],
        )


@pytest.fixture(scope="session")
def side_by_side(long_runs: Long) -> dict[str, Json]:
    """What came out of each story between the old server and the new one, by name."""
    return {story["name"]: story for running in long_runs.old_and_new for story in running.json()["stories"]}


@pytest.fixture(scope="session")
def alike(long_runs: Long) -> list[Json]:
    """What came out of each run of the new server with itself."""
    return [running.json() for running in long_runs.alike]
