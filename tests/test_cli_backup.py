"""`onlycare-socket backup`, run as operators run it: beside a server that runs, and without one."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .interop.server_process import Server
from .test_cli import error, run

CALL, OVER = "CALL_17", "CALL_18"


def make_calls(server: Server) -> None:
    """Has one call that is live and one that is over."""
    for call, users in ((CALL, ("USR_1", "USR_2")), (OVER, ("USR_3", "USR_4"))):
        parties = {"callerId": users[0], "receiverId": users[1]}
        assert server.post("/api/emit/call-accepted", {"callId": call, **parties})["success"]
    assert server.post(f"/api/calls/{OVER}/end", {})["success"]


def states(server: Server) -> dict[str, str]:
    calls: list[dict[str, Any]] = server.get("/api/calls")["calls"]
    return {call["callId"]: call["state"] for call in calls}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def store(folder: Path) -> str:
    return f"sqlite:///{folder}/calls.db"


@pytest.fixture(scope="module")
def server(store: str) -> Iterator[Server]:
    """A server that runs, with calls in its file."""
    server = Server("--dev", STORE=store)
    server.start()
    make_calls(server)
    yield server
    server.close()


@pytest.fixture
def kept(server: Server, folder: Path, tmp_path: Path) -> Path:
    """A file as it was when its server was killed: some of it is in the log."""
    for suffix in ("-wal", ""):
        shutil.copyfile(folder / f"calls.db{suffix}", tmp_path / f"calls.db{suffix}")
    return tmp_path / "calls.db"


def is_sound(copy: Path) -> None:
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",), "one file, nothing beside it"
    restored = Server("--dev", STORE=f"sqlite:///{copy}")
    try:
        restored.start()
        assert states(restored) == {CALL: "accepted", OVER: "ended"}
    finally:
        restored.close()


@pytest.mark.usefixtures("server")
def test_while_the_server_runs(store: str, tmp_path: Path, server: Server) -> None:
    ran = run("backup", "copy.db", cwd=tmp_path, STORE=store)
    assert ran.returncode == 0, ran.stderr
    size = (tmp_path / "copy.db").stat().st_size
    source = store.removeprefix("sqlite:///")
    assert ran.stdout == f"OK: {source} is copied to copy.db ({size:,} bytes)\n"
    assert os.listdir(tmp_path) == ["copy.db"]
    is_sound(tmp_path / "copy.db")
    assert states(server) == {CALL: "accepted", OVER: "ended"}
    assert server.get("/health")["status"] == "OK"


def test_without_a_server(kept: Path) -> None:
    ran = run("backup", "copy.db", cwd=kept.parent, STORE="sqlite:///calls.db")
    assert ran.returncode == 0, ran.stderr
    is_sound(kept.parent / "copy.db")


def test_the_file_of_a_dotenv(kept: Path) -> None:
    (kept.parent / "other.env").write_text(f"STORE=sqlite:///{kept}\n")
    ran = run("backup", "copy.db", "--env-file", "other.env", cwd=kept.parent)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"OK: {kept} is copied to copy.db")


def test_a_file_that_is_there_is_replaced_only_on_demand(kept: Path) -> None:
    copy = kept.parent / "copy.db"
    copy.write_text("of yesterday")
    copy.chmod(0o644)
    line = error(run("backup", "copy.db", cwd=kept.parent, STORE=f"sqlite:///{kept}"), 2)
    assert "copy.db is there already" in line
    assert copy.read_text() == "of yesterday"
    ran = run("backup", "copy.db", "--force", cwd=kept.parent, STORE=f"sqlite:///{kept}")
    assert ran.returncode == 0, ran.stderr
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert copy.read_bytes().startswith(b"SQLite format 3")


def test_never_onto_itself(kept: Path) -> None:
    before = kept.read_bytes()
    for target in ("calls.db", f"../{kept.parent.name}/calls.db"):
        line = error(run("backup", target, "--force", cwd=kept.parent, STORE=f"sqlite:///{kept}"), 2)
        assert line.endswith("is the file of calls itself")
    assert kept.read_bytes() == before


@pytest.mark.parametrize(
    ("setting", "target", "code", "said"),
    [
        ("sqlite:///calls.db", "no/folder/copy.db", 1, "calls.db cannot be copied to no/folder/copy.db: No such file"),
        ("sqlite:///calls.db", ".", 2, ". is a folder: name the file to write"),
        ("sqlite:///none.db", "copy.db", 1, "none.db cannot be copied to copy.db: there is no file of calls"),
        ("sqlite:///garbage.db", "copy.db", 1, "garbage.db cannot be copied: file is not a database"),
        ("sqlite:///noise.db", "copy.db", 1, "noise.db cannot be copied: "),
        ("memory", "copy.db", 2, "STORE=memory"),
    ],
)
def test_what_cannot_be_copied(kept: Path, setting: str, target: str, code: int, said: str) -> None:
    (kept.parent / "garbage.db").write_bytes(b"no database" * 1_000)
    noise = bytearray(kept.read_bytes())
    noise[4_096:] = os.urandom(len(noise) - 4_096)
    (kept.parent / "noise.db").write_bytes(noise)
    before = set(os.listdir(kept.parent))
    line = error(run("backup", target, cwd=kept.parent, STORE=setting), code)
    assert said in line
    left = {name for name in os.listdir(kept.parent) if not name.endswith(("-wal", "-shm"))}
    assert left <= before, "no half of a copy"
