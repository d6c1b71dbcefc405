"""The log: one line per event, no secrets, and never in the way of a call."""

import json
import logging
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog

from onlycare_socket import logs
from onlycare_socket.logs.file import LogFile
from onlycare_socket.logs.redact import LONGEST, redact_text
from onlycare_socket.logs.stderr import Stderr

SANCTUM = "17|aVeryLongSanctumTokenOfFortyCharacters00"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1In0.c2lnbmF0dXJl"


class Log:
    """A configured log and what it has written."""

    def __init__(self, path: Path, level: str, form: Literal["auto", "json", "text"]) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        self.sink = logs.configure(level, form, fd=self._fd)

    def text(self) -> str:
        return self._path.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def log(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Log]:
    """A log at debug level; everything global is put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    log = Log(tmp_path / "log", "debug", getattr(request, "param", "json"))
    yield log
    log.close()
    root.handlers[:], root.level = before, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


text_log = pytest.mark.parametrize("log", ["text"], indirect=True)


def test_a_line_is_json_with_utc_time_level_and_event_first(log: Log) -> None:
    structlog.get_logger().info("call accepted", call="17", ms=12)
    (line,) = log.lines()
    assert list(line) == ["time", "level", "event", "call", "ms"]
    assert (line["level"], line["event"], line["call"], line["ms"]) == ("info", "call accepted", "17", 12)
    assert line["time"].endswith("Z")


def test_lines_below_the_level_are_left_out(tmp_path: Path, log: Log) -> None:
    quiet = Log(tmp_path / "quiet", "warning", "json")
    structlog.get_logger().info("not this")
    structlog.get_logger().warning("but this")
    logging.getLogger("library").info("nor this")
    assert [line["event"] for line in quiet.lines()] == ["but this"]
    quiet.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "hunter2"},
        {"agoraToken": "hunter2"},
        {"pushToken": "hunter2"},
        {"headers": {"Authorization": "hunter2", "X-Internal-Secret": "hunter2", "Cookie": "hunter2"}},
        {"bodies": [{"data": {"phone": "hunter2"}}]},
        {"LARAVEL_API_SECRET": ("hunter2", "hunter2")},
        {"body": {"phone_number": 919876543210, "email": "hunter2"}},
    ],
)
def test_secrets_are_hidden_by_name(log: Log, fields: dict[str, Any]) -> None:
    structlog.get_logger().info("said", **fields)
    assert "hunter2" not in log.text()
    assert "919876543210" not in log.text()
    assert "***" in log.text()


@pytest.mark.parametrize(
    "text",
    [
        f"got {SANCTUM} from a phone",
        f"Authorization: Bearer {SANCTUM}",
        "authorization: Basic dXNlcjpodW50ZXIyCg==",
        f"decoding {JWT} failed",
        "GET /x?token=hunter2hunter2&a=1",
        '{"agoraToken":"hunter2hunter2"}',
        "redis://:hunter2hunter2@127.0.0.1:6379",
    ],
)
def test_secrets_are_hidden_by_what_they_look_like(log: Log, text: str) -> None:
    structlog.get_logger().info(text, note=text)
    for secret in (SANCTUM.split("|")[1], "hunter2hunter2", "dXNlcjpodW50ZXIyCg", JWT):
        assert secret not in log.text()


@pytest.mark.parametrize("text", ["call 17 rings", "user 5 | online", "12 tokens in use", "3 basic checks"])
def test_plain_words_are_left_alone(text: str) -> None:
    assert redact_text(text) == text


def test_counts_may_have_a_secret_sounding_name(log: Log) -> None:
    structlog.get_logger().info("cache", tokens=12, secret_ok=True)
    assert (log.lines()[0]["tokens"], log.lines()[0]["secret_ok"]) == (12, True)


def test_a_traceback_is_one_line_without_secrets(log: Log) -> None:
    try:
        raise RuntimeError(f"no user for {SANCTUM}")
    except RuntimeError:
        structlog.get_logger().exception("it broke")
    (line,) = log.lines()
    assert line["level"] == "error"
    assert "RuntimeError: no user for 17|***" in line["exception"]
    assert "test_logs.py" in line["exception"]


def test_what_clients_send_cannot_break_or_flood_the_log(log: Log) -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep]
    say = structlog.get_logger().info
    say("odd", value="\ud800", other=10**40, nan=float("nan"), blob=b"\xff", thing=object(), deep=deep)
    say("long", value="x" * 100_000, many=list(range(10_000)))
    odd, long = log.lines()
    assert odd["event"] == "odd"
    assert len(json.dumps(long)) < 2 * LONGEST


@text_log
def test_text_is_readable_and_nothing_forges_a_line(log: Log) -> None:
    structlog.get_logger().warning("user came", user="5", reason="a b", name="x\n2026 error forged", empty="")
    structlog.get_logger().error("event\nforged")
    first, second = log.text().splitlines()
    assert " warning user came user=5 reason='a b' name='x\\n2026 error forged' empty=''" in first
    assert second.endswith("'event\\nforged'")
    assert "\x1b" not in first


@text_log
def test_text_shows_a_traceback_below_its_line(log: Log) -> None:
    try:
        raise RuntimeError("why")
    except RuntimeError:
        structlog.get_logger().exception("it broke")
    lines = log.text().splitlines()
    assert lines[0].endswith("error   it broke")
    assert lines[-1] == "RuntimeError: why"


def test_pythons_own_logging_takes_the_same_way(log: Log) -> None:
    logging.getLogger("library.part").error("cannot read %s", f"Bearer {SANCTUM}")
    logging.getLogger("asyncio").info("too much detail")
    logging.getLogger("library.part").log(25, "between info and warning")
    first, second = log.lines()
    assert (first["level"], first["event"], first["logger"]) == ("error", "cannot read Bearer ***", "library.part")
    assert (second["level"], second["event"]) == ("info", "between info and warning")


def test_warnings_become_lines(log: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # pytest's own catcher stands in the way: take over anew inside it
        logging.captureWarnings(True)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert "old ways" in log.lines()[0]["event"]


def test_a_stuck_reader_costs_lines_and_no_waiting() -> None:
    reader, writer = os.pipe()
    sink = Stderr(writer)
    for _ in range(100):
        sink.write_line("x" * 4000)  # a pipe holds 65,536 bytes: this returns only because lines are dropped
    assert sink.lost > 0
    lost = sink.lost
    os.read(reader, 1_000_000)
    sink.write_line("there again")
    told = os.read(reader, 1_000_000).decode().splitlines()
    assert json.loads(told[-2]) == {"level": "warning", "event": "log lines were dropped", "count": lost}
    assert told[-1] == "there again"
    assert sink.lost == lost
    os.close(reader)
    os.close(writer)


def test_a_line_that_was_cut_does_not_spoil_the_next() -> None:
    reader, writer = os.pipe()
    sink = Stderr(writer)
    sink.write_line("y" * 200_000)
    assert sink.lost == 1
    os.read(reader, 1_000_000)
    sink.write_line("whole")
    assert os.read(reader, 1_000_000).decode().splitlines()[-1] == "whole"
    os.close(reader)
    os.close(writer)


def test_a_reader_that_left_is_survived() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = Stderr(writer)
    sink.write_line("to nobody")
    sink.write_line("to nobody")
    assert sink.lost == 2
    os.close(writer)


def test_a_closed_stderr_is_survived() -> None:
    program = (
        "import socket, structlog; from onlycare_socket import logs\n"
        "near, far = socket.socketpair()\n"  # takes the number that stderr had
        "logs.configure('info', 'json')\n"
        "structlog.get_logger().error('into somebody else\\'s socket')\n"
        "near.setblocking(False); far.setblocking(False)\n"
        "for end in (near, far):\n"
        "    try: print(end.fileno(), end.recv(100))\n"
        "    except BlockingIOError: pass\n"
        "print('done')"
    )
    shell = ["/bin/sh", "-c", f'exec "{sys.executable}" -c "$0" 2>&-', program]
    run = subprocess.run(shell, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout) == (0, "done\n")


def test_a_file_that_is_moved_away_is_made_anew_and_no_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    file = LogFile(str(path))
    for number in range(300):
        if number % 100 == 99:
            path.rename(tmp_path / f"out.log.{number}")
        file.write_line(str(number))
    assert sum([len(each.read_text().split()) for each in tmp_path.iterdir()]) == 300
    assert path.read_text() == "299\n"
    assert (path.stat().st_mode & 0o777, file.lost) == (0o640, 0)


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    LogFile(str(tmp_path / "log")).write_line("after")
    assert (tmp_path / "log").read_text() == "before\nafter\n"


def test_what_cannot_be_written_is_counted_and_said_later(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = LogFile(str(path))
    path.rename(tmp_path / "moved")
    path.mkdir()  # nobody can open that
    file.write_line("lost")
    file.write_line("lost too")
    path.rmdir()
    file.write_line("back")
    assert file.lost == 2
    apology, line = path.read_text().splitlines()
    assert json.loads(apology)["count"] == 2
    assert line == "back"


def test_a_full_disk_tears_at_most_one_line(tmp_path: Path) -> None:
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (25, 100));"
        "from onlycare_socket.logs.file import LogFile; file = LogFile('log');"
        "file.write_line('a' * 19); file.write_line('b' * 19); file.write_line('c');"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); file.write_line('d'); print(file.lost)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
    lines = (tmp_path / "log").read_text().splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("a" * 19, "bbbbb", "d")
    assert json.loads(lines[2])["count"] == 2


def test_the_server_logs_into_the_file_that_a_setting_names(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onlycare_socket", "serve", "--dev", "--port", "x"]
    command[-1] = "0"
    done = subprocess.run(command, cwd=tmp_path, env={"LOG_FILE": "/nowhere/log"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "onlycare-socket: LOG_FILE=/nowhere/log: No such file or directory\n"
    environment = {"LOG_FILE": "own.log", "LARAVEL_API_SECRET": "short"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as server:
        while "listening" not in (
            text := (tmp_path / "own.log").read_text() if (tmp_path / "own.log").exists() else ""
        ):
            time.sleep(0.02)
        server.terminate()
        assert server.stderr is not None
        assert server.stderr.read() == ""
    assert server.returncode == 0
    assert "/api and /metrics stay closed" in text
