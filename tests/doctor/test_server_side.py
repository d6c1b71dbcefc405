"""Settings that are wrong, and a port at which something else is, or nothing."""

import os
import resource
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from tests.doctor.laravel import TOKEN, Behaviour, Laravel, answers, writes
from tests.doctor.running import Doctor
from tests.interop.server_process import SECRET, Server, free_port

OLD_NODE: Final = {"status": "OK", "connectedUsers": 3, "activeCalls": 1, "timestamp": 1, "uptime": 2.5}
INSIDE: Final = ("secret in use", "polling", "websocket")


class Other:
    """Another program on a port of its own."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = answers(404, "<h1>Not Found</h1>")
        other = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                other.behaviour(self)

            def log_message(self, *args: object) -> None:
                """Says nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.port = str(self.http.server_port)


@pytest.fixture(scope="module")
def other() -> Iterator[Other]:
    """Another program."""
    program = Other()
    yield program
    program.http.shutdown()
    program.http.server_close()


# ---------------------------------------------------------------- settings, secret, their file


def test_a_bad_setting_does_not_keep_the_rest_from_being_checked(doctor: Doctor) -> None:
    doctor.settings["RING_TIMEOUT"] = "soon"
    found = doctor()
    found.one("settings", "fail", "RING_TIMEOUT=soon")
    assert found.named("fail") == {"settings"}
    found.one("laravel to server", "ok")


def test_a_name_that_is_almost_a_settings_is_pointed_out(doctor: Doctor) -> None:
    doctor.settings["RING_TIMOUT"] = "20"
    doctor(LARAVEL_URL="x").one(
        "settings", "warn", "RING_TIMOUT in .env is not a setting", "did you mean RING_TIMEOUT?"
    )


def test_what_comes_from_this_shell_is_named(doctor: Doctor) -> None:
    doctor(LOG_LEVEL="debug").one("settings", "ok", "from this shell's environment: LOG_LEVEL")


def test_a_port_open_to_other_machines_is_a_warning(doctor: Doctor) -> None:
    doctor(HOST="0.0.0.0").one("settings", "warn", "HOST=0.0.0.0", "HOST=127.0.0.1")


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("", "is not set"),
        ("short", "shorter than 16 characters"),
        ("your-secret-key-here", "well-known default"),
        (f"{SECRET},changeme", "the second of the two is shorter"),
    ],
)
def test_a_secret_that_guards_nothing_fails(secret: str, says: str, doctor: Doctor) -> None:
    doctor.settings["LARAVEL_API_SECRET"] = secret
    found = doctor()
    found.one("secret", "fail", says, "openssl rand -hex 32")
    assert {"secret in use", "laravel to server"} <= found.named("skipped")


def test_another_secret_than_the_running_servers_is_noticed(doctor: Doctor) -> None:
    doctor.settings["LARAVEL_API_SECRET"] = "another-2f1c9a77d0e84b55"
    found = doctor()
    found.one("secret", "ok")
    found.one("secret in use", "fail", "started with another secret", "restart it")
    found.one("laravel to server", "fail", "refuses the signature", "WEBSOCKET_SECRET")


@pytest.mark.parametrize(("mode", "mark"), [(0o600, "ok"), (0o640, "ok"), (0o644, "fail"), (0o620, "fail")])
def test_the_settings_must_not_be_everybodys(mode: int, mark: str, doctor: Doctor) -> None:
    doctor.file.touch()
    doctor.file.chmod(mode)
    doctor().one("settings file", mark, f"mode {mode:o}")


def test_the_file_of_calls_can_be_written(doctor: Doctor, tmp_path: Path) -> None:
    doctor(STORE="memory").one("store", "ok", "in memory")
    (tmp_path / "there").mkdir()
    for store in (f"sqlite:///{tmp_path}/there/calls.db", f"sqlite:///{tmp_path}/made/later/calls.db"):
        doctor(STORE=store).one("store", "ok", f"{store.removeprefix('sqlite:///')} can be written by user ")
    doctor(STORE="sqlite:///calls.db").one("store", "ok", f"{tmp_path}/calls.db")


def test_the_file_of_calls_must_be_the_servers_users(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    folder.mkdir(mode=0o500)
    doctor.file.touch(0o600)
    if os.geteuid() == 0:
        os.chown(doctor.file, 65_534, 65_534)  # root may write anywhere, the user nobody may not
    found = doctor(STORE=f"sqlite:///{folder}/calls.db")
    found.one("store", "fail", f"may not write {folder}/calls.db", "chown ", str(folder))
    assert found.named("fail") == {"store"}
    folder.chmod(0o777)
    (folder / "calls.db").touch(0o444)
    doctor(STORE=f"sqlite:///{folder}/calls.db").one("store", "fail", f"may not write {folder}/calls.db")


def test_a_named_file_that_is_not_there_is_wrong_usage(doctor: Doctor) -> None:
    ran = doctor.run("--env-file", "nope")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "there is no such file" in ran.stderr


# ---------------------------------------------------------------- the port


def test_nobody_listens(doctor: Doctor) -> None:
    found = doctor(PORT=str(free_port()), ONLYCARE_TOKEN=TOKEN)
    found.one("port", "fail", "nothing listens on http://127.0.0.1:", "systemctl start onlycare-socket", "pm2 start")
    assert found.named("fail") == {"port"}
    assert {*INSIDE, "connect"} <= found.named("skipped")


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (answers(404, "<h1>Not Found</h1>"), "answers 404 with text/html"),
        (answers(200, OLD_NODE), "answers like the old Node server"),
        (answers(200, [1]), "answers 200 with application/json"),
        (answers(200, {"status": "OK"}), "answers 200 with application/json"),
        (writes(b"220 mail.example.com ESMTP\r\n"), "does not answer as an HTTP server"),
        (writes(b""), "does not answer as an HTTP server"),
        (writes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "does not answer as an HTTP server"),
    ],
)
def test_another_program_holds_the_port(behaviour: Behaviour, says: str, other: Other, doctor: Doctor) -> None:
    other.behaviour = behaviour
    found = doctor(PORT=other.port)
    found.one("port", "fail", "is held by another program", says, "stop that program")
    found.one("port", "fail", "(process ")  # this one: on one's own machine it is named
    assert found.named("fail") == {"port"}
    assert set(INSIDE) <= found.named("skipped")


def test_a_server_that_is_not_well_says_so(other: Other, doctor: Doctor) -> None:
    other.behaviour = answers(503, OLD_NODE | {"status": "DEGRADED", "version": "1.0.0"})
    doctor(PORT=other.port).one("port", "fail", "says of itself: DEGRADED", "look at its log")


def test_a_version_that_was_not_restarted_is_a_warning_fit_for_a_terminal(other: Other, doctor: Doctor) -> None:
    other.behaviour = answers(200, OLD_NODE | {"version": "0.\x1b[31m9\n" + "9" * 1000})
    found = doctor(PORT=other.port)
    found.one("port", "warn", "version 0. [31m9 99", "restart it")
    assert len(found.checks["port"]["found"]) < 300
    found.one("polling", "fail", "no open packet of Engine.IO")


def test_the_server_may_be_elsewhere(server: Server, doctor: Doctor) -> None:
    doctor("--url", server.url, PORT=str(free_port())).one("port", "ok", server.url)


# ---------------------------------------------------------------- files


def test_too_few_files_are_a_warning(doctor: Doctor) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))

    ran = doctor.run(before=few, PORT=str(free_port()))
    (line,) = [line for line in ran.stdout.splitlines() if " file limit " in line]
    assert line.startswith("warn")
    assert "a process started from this shell may open 512 files: enough for 206 phones" in line
    assert "LimitNOFILE=" in line


def test_the_running_servers_own_limit_counts(doctor: Doctor) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))

    line = next(line for line in doctor.run(before=few).stdout.splitlines() if " file limit " in line)
    assert "the running server may open" in line
    assert "may open 512" not in line


# ---------------------------------------------------------------- another backend than Laravel


def test_a_server_with_signed_tokens_lets_in_or_says_why_not(laravel: Laravel, doctor: Doctor) -> None:
    signed = {"AUTH": "jwt", "JWT_SECRET": "k3JhL0vXq9TzP5wB" * 2}
    with_laravel = Server(LARAVEL_API_URL=laravel.url, **signed)
    with_laravel.start()
    try:
        doctor.settings |= {"PORT": str(with_laravel.port), **signed}
        found = doctor("--token", TOKEN, "--user", "5")
        assert "laravel token" not in found.checks
        found.one("connect", "fail", "the server refused user 5: Invalid token", "does not know the token")
        doctor("--token", TOKEN).one("connect", "skipped", "--user")
    finally:
        with_laravel.close()
