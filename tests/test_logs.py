"""The log: one line per event, no secrets, and never in the way of a call."""

import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog

from onlycare_socket import logs
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
