"""The command `onlycare-socket`, run as people run it, against a real development server."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from onlycare_socket import __version__
from onlycare_socket.cli.failure import EXIT_CODES
from onlycare_socket.compiled import COMPILED

COMMAND = [sys.executable, "-m", "onlycare_socket"]
SETTINGS = {"PATH": os.environ["PATH"], "COLUMNS": "200", "NO_COLOR": "1"}
LONGEST = 60
"""Seconds after which a command is taken to hang."""

Ran = subprocess.CompletedProcess[str]


def run(*arguments: str, cwd: Path, **environ: str) -> Ran:
    """Runs the command in a directory of its own, with nothing of this machine's settings."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=SETTINGS | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
        stdin=subprocess.DEVNULL,
    )


def error(ran: Ran, code: int) -> str:
    """Returns the one line that a failed command wrote beside warnings and the server's log."""
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    (line,) = [line for line in ran.stderr.splitlines() if not line.startswith(("onlycare-socket: warning", "{"))]
    assert line.startswith("onlycare-socket: ")
    return line


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(cwd: Path, *arguments: str, **environ: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Runs a server until the end of the block and gives its address."""
    port = free_port()
    server = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port), *arguments],
        cwd=cwd,
        env=SETTINGS | {"STORE": f"sqlite:///{port}.db"} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}", server
    finally:
        if server.returncode is None:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=LONGEST)


def _wait_for(port: int, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            assert answer.status == 200
            return
        time.sleep(0.02)  # nothing tells another process that a port is open
    raise AssertionError("the server did not start")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory without a .env."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def url(empty: Path) -> Iterator[str]:
    """The address of a development server that serves this file's tests."""
    with serving(empty, "--dev") as (url, _):
        yield url


@pytest.fixture(scope="module")
def call_id(url: str, empty: Path) -> str:
    """A call that was made, accepted and ended."""
    made = run("call", "--json", "--url", url, cwd=empty)
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["callId"])


def read(ran: Ran) -> dict[str, Any]:
    assert ran.returncode == 0, ran.stderr
    decoded: dict[str, Any] = json.loads(ran.stdout)
    return decoded


# ---------------------------------------------------------------- without a server


def test_version(empty: Path) -> None:
    assert run("--version", cwd=empty).stdout.strip() == f"{__version__} ({'compiled' if COMPILED else 'uncompiled'})"


def test_help_names_every_command_and_the_exit_codes(empty: Path) -> None:
    text = run("--help", cwd=empty).stdout
    for command in [
        "serve",
        "call",
        "status",
        "users",
        "calls",
        "timeline",
        "end",
        "disconnect",
        "token",
        "settings",
        "doctor",
        "compare",
    ]:
        assert f" {command} " in text
    assert EXIT_CODES[:40] in text


@pytest.mark.parametrize("command", ["serve", "call", "timeline"])
def test_every_command_has_help(command: str, empty: Path) -> None:
    assert "--env-file" in run(command, "--help", cwd=empty).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["call", "--outcome", "maybe"],
        ["timeline"],
        ["timeline", ""],
        ["end", " "],
        ["disconnect", ""],
        ["serve", "--bogus"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], empty: Path) -> None:
    ran = run(*arguments, cwd=empty)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_serve_without_settings_says_what_to_set(empty: Path) -> None:
    line = error(run("serve", cwd=empty), 2)
    assert "LARAVEL_API_URL is not set" in line
    assert "serve --dev" in line


def test_serve_points_out_a_slip_beside_the_error(empty: Path) -> None:
    ran = run("serve", cwd=empty, LARAVEL_URL="https://api.example.com")
    assert "did you mean LARAVEL_API_URL?" in ran.stderr.splitlines()[0]
    error(ran, 2)


def test_a_bad_setting_is_one_line(empty: Path) -> None:
    line = error(run("serve", "--dev", cwd=empty, RING_TIMEOUT="abc"), 2)
    assert "RING_TIMEOUT=abc: expected seconds as a number from 1 to 600" in line


def test_a_development_server_is_refused_on_other_addresses(empty: Path) -> None:
    assert "this machine only" in error(run("serve", "--dev", "--host", "0.0.0.0", cwd=empty), 2)


def test_an_address_of_another_machine_is_refused(empty: Path) -> None:
    line = error(
        run("serve", "--host", "192.0.2.1", cwd=empty, LARAVEL_API_URL="http://127.0.0.1:9", STORE="memory"), 1
    )
    assert "cannot listen on 192.0.2.1, port 3001" in line


def test_a_name_that_is_no_address_is_a_wrong_setting(empty: Path) -> None:
    ran = run("serve", "--host", "nosuch.invalid", cwd=empty, LARAVEL_API_URL="http://127.0.0.1:9", STORE="memory")
    assert "HOST=nosuch.invalid: this name cannot be resolved" in error(ran, 2)


def test_a_key_that_cannot_check_tokens_is_a_wrong_setting(empty: Path) -> None:
    rubbish = "-----BEGIN PUBLIC KEY-----\\nMIIB\\n-----END PUBLIC KEY-----"
    assert "JWT_PUBLIC_KEY is no public key" in error(run("serve", cwd=empty, AUTH="jwt", JWT_PUBLIC_KEY=rubbish), 2)


def test_no_server_exits_with_3(empty: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert f"no server answers on {nowhere}" in error(run("status", "--url", nowhere, cwd=empty), 3)
    assert f"cannot connect to {nowhere}" in error(run("call", "--url", nowhere, cwd=empty), 3)


def test_the_address_comes_from_the_settings_file(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text(f"HOST=0.0.0.0\nPORT={port}\nRING_TIMEOUT=nonsense, and not looked at\n")
    assert f"http://127.0.0.1:{port}" in error(run("status", cwd=tmp_path), 3)


def test_a_wrong_address_exits_with_2(empty: Path) -> None:
    assert "http://" in error(run("status", "--url", "ftp://127.0.0.1", cwd=empty), 2)
    assert "Port" in error(run("status", "--url", "http://example.com:1:2", cwd=empty), 2)
    assert "hunter2" not in error(run("status", "--url", "http://user:hunter2@127.0.0.1", cwd=empty), 2)


@pytest.mark.parametrize("arguments", [["status"], ["settings"], ["serve", "--dev"], ["call", "--caller-token", "a"]])
def test_a_named_settings_file_must_be_there(arguments: list[str], empty: Path) -> None:
    assert "nope: there is no such file" in error(run(*arguments, "--env-file", "nope", cwd=empty), 2)


def test_a_development_token_names_its_user_and_device(empty: Path) -> None:
    assert run("token", "5", "--device", "tablet", cwd=empty).stdout == "dev:5:tablet\n"
    error(run("token", "a:b", cwd=empty), 2)


def test_a_signed_token_is_accepted_by_its_server(empty: Path) -> None:
    signed = {"AUTH": "jwt", "JWT_SECRET": "k3JhL0vXq9TzP5wB" * 2, "JWT_ISSUER": "onlycare", "JWT_AUDIENCE": "calls"}
    with serving(empty, **signed) as (url, _):
        assert run("call", "--url", url, cwd=empty, **signed).returncode == 0
        line = error(run("call", "--url", url, cwd=empty, **{**signed, "JWT_ISSUER": "somebody"}), 4)
    assert "Invalid token" in line


def test_the_backends_tokens_are_made_by_the_backend(empty: Path) -> None:
    line = error(run("token", "5", cwd=empty, LARAVEL_API_URL="https://api.example.com"), 1)
    assert "the backend makes the tokens" in line


def test_settings_are_shown_without_secrets(empty: Path) -> None:
    ran = run("settings", cwd=empty, RING_TIMEOUT="12", LARAVEL_API_SECRET="k3JhL0vXq9TzP5wB")
    assert "k3JhL0" not in ran.stdout
    assert any(line.split()[:3] == ["RING_TIMEOUT", "12", "30"] for line in ran.stdout.splitlines())


# ---------------------------------------------------------------- against a server


@pytest.mark.parametrize("transport", ["upgrade", "polling", "websocket"])
@pytest.mark.parametrize("outcome", ["accept", "reject", "cancel"])
def test_a_call_goes_as_planned(outcome: str, transport: str, url: str, empty: Path) -> None:
    ran = run("call", "--url", url, "--outcome", outcome, "--transport", transport, cwd=empty)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("OK: it rang after ")
    assert f"connected as user 1001 by {'polling' if transport == 'polling' else 'websocket'}" in ran.stdout
    assert " ms " in ran.stdout.splitlines()[0]


def test_a_step_that_fails_is_named(url: str, empty: Path) -> None:
    line = error(run("call", "--url", url, "--caller", "7", "--callee", "7", cwd=empty), 1)
    assert "call:initiate of the caller was refused: Cannot call yourself (forbidden)" in line


def test_a_refused_token_exits_with_4(url: str, empty: Path) -> None:
    line = error(run("call", "--url", url, "--caller-token", "dev:somebody-else", cwd=empty), 4)
    assert "refused the caller, user 1001: Invalid token" in line


def test_a_call_can_be_interrupted_and_leaves_none_behind(url: str, empty: Path) -> None:
    calling = subprocess.Popen(
        [*COMMAND, "call", "--url", url, "--caller", "21", "--callee", "22", "--hold", "600"],
        cwd=empty,
        env=SETTINGS | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert calling.stdout is not None
    assert any("got call:accepted" in line for line in calling.stdout)
    calling.send_signal(signal.SIGINT)
    _, complaint = calling.communicate(timeout=LONGEST)
    assert (calling.returncode, complaint) == (130, "")
    (mine,) = [one for one in read(run("calls", "--json", "--url", url, cwd=empty))["calls"] if one["callerId"] == "21"]
    assert (mine["state"], mine["code"]) == ("ended", "completed")


def test_status(url: str, empty: Path) -> None:
    answer = read(run("status", "--json", "--url", url, cwd=empty))
    assert (answer["status"], answer["ready"], answer["version"]) == ("OK", True, __version__)
    assert "connected users" in run("status", "--url", url, cwd=empty).stdout


def test_users(url: str, empty: Path) -> None:
    assert read(run("users", "--json", "--url", url, cwd=empty)) == {"count": 0, "users": []}
    assert read(run("users", "5", "--json", "--url", url, cwd=empty))["isOnline"] is False


def test_calls_and_timeline(url: str, call_id: str, empty: Path) -> None:
    calls = read(run("calls", "--json", "--url", url, cwd=empty))["calls"]
    assert call_id in [one["callId"] for one in calls]
    assert call_id in run("calls", "--url", url, cwd=empty).stdout
    steps = read(run("timeline", call_id, "--json", "--url", url, cwd=empty))["steps"]
    assert steps[0]["what"] == "call:initiate"
    table = run("timeline", call_id, "--url", url, cwd=empty).stdout
    assert "call:accept" in table
    assert f"Call {call_id}: 1001 called 1002" in table


def test_end_and_disconnect(url: str, call_id: str, empty: Path) -> None:
    assert read(run("end", call_id, "--json", "--url", url, cwd=empty))["duplicate"] is True
    assert read(run("disconnect", "5", "--json", "--url", url, cwd=empty))["success"] is True


@pytest.mark.parametrize("command", ["timeline", "end"])
def test_an_unknown_call_exits_with_5(command: str, url: str, empty: Path) -> None:
    assert "does not know call CALL_9" in error(run(command, "CALL_9", "--url", url, cwd=empty), 5)


def test_a_wrong_secret_exits_with_4(url: str, empty: Path) -> None:
    ran = run("calls", "--url", url, cwd=empty, LARAVEL_API_SECRET="k3JhL0vXq9TzP5wB")
    assert "does not accept the secret" in error(ran, 4)


def test_a_real_server_is_not_opened_by_the_development_secret(empty: Path) -> None:
    with serving(empty, LARAVEL_API_URL="http://127.0.0.1:9") as (url, _):
        error(run("calls", "--url", url, cwd=empty), 4)


def test_a_server_whose_backend_hangs_is_told_from_one_that_is_not_there(empty: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        serving(empty, LARAVEL_API_URL=f"http://127.0.0.1:{silent.getsockname()[1]}") as (url, _),
    ):
        asked = ["call", "--url", url, "--timeout", "50"]
        line = error(run(*asked, "--caller-token", "1|a", "--callee-token", "2|b", cwd=empty), 3)
    assert "closed the connection without an answer" in line
    assert "LARAVEL_API_URL" in line


def test_a_port_in_use_says_so_and_nothing_else(url: str, empty: Path) -> None:
    ran = run("serve", "--dev", "--port", url.rpartition(":")[2], cwd=empty)
    assert "it is in use" in error(ran, 1)
    assert ran.stdout == ""


def test_the_protocol_application_says_so_too(url: str) -> None:
    example = Path(__file__).parent.parent / "examples/protocol_app.py"
    asked = [sys.executable, str(example), "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=LONGEST)
    assert ran.returncode == 1
    assert ran.stderr.startswith("cannot listen on 127.0.0.1, port ")
    assert ran.stderr.count("\n") == 1


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("command", "answer", "says"),
    [
        ("status", b"HTTP/1.1 200 OK\r\n\r\nhi", "it answered 200 with no content type"),
        (
            "status",
            NOT_FOUND + b"\r\n<html>\n<body>\n",
            "is no onlycare-socket server (it answered 404 with text/html)",
        ),
        (
            "timeline a",
            NOT_FOUND + b"\r\n<html>\n<body>\n",
            "is no onlycare-socket server (it answered 404 with text/html)",
        ),
        ("users", b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"a":1}', "200 with application/json"),
        ("calls", b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>\n", "the proxy at http://"),
    ],
)
def test_something_else_on_the_port_is_told_apart(command: str, answer: bytes, says: str, empty: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        program = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); c = s.accept()[0]; c.recv(9999)\n"
        program += f"c.sendall({answer!r}); c.close()"
        server = subprocess.Popen([sys.executable, "-c", program, str(other.fileno())], pass_fds=[other.fileno()])
        line = error(run(*command.split(), "--url", f"http://127.0.0.1:{other.getsockname()[1]}", cwd=empty), 3)
        server.wait(LONGEST)
    assert says in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_says_what_to_try_and_stops_cleanly(number: int, empty: Path) -> None:
    with serving(empty, "--dev") as (url, server):
        server.send_signal(number)
        said, _ = server.communicate(timeout=LONGEST)
        assert server.returncode == 0
    assert f"{url}/test-client" in said
    assert f"call --url {url}" in said
    assert "Traceback" not in said


def test_the_server_process_imports_nothing_it_does_not_use() -> None:
    program = (
        "import sys\n"
        "import onlycare_socket.cli.serve, onlycare_socket.app\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=LONGEST)
    for package in ("typer", "rich", "socketio", "engineio", "jwt", "cryptography", "redis", "sqlite3"):
        assert f"'{package}'" not in ran.stdout
    assert "'uvloop'" in ran.stdout
