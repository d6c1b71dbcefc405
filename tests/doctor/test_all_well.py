"""A deployment that works, and how the command talks."""

import subprocess
import sys
from pathlib import Path

from onlycare_socket import __version__
from tests.doctor.laravel import TOKEN, Laravel
from tests.doctor.running import Doctor
from tests.interop.server_process import Server


def test_everything_is_well(doctor: Doctor, laravel: Laravel, server: Server) -> None:
    found = doctor.apart(ONLYCARE_TOKEN=TOKEN)
    assert found.code == 0, found.checks
    assert found.named("fail") == set()
    assert found.named("skipped") == {"public address"}
    assert found.named("warn") <= {"clock", "file limit"}  # these are of the machine that tests
    found.one("settings", "ok", f"LARAVEL_API_URL={laravel.url}")
    found.one("store", "ok")
    found.one("port", "ok", __version__, server.url)
    found.one("secret in use", "ok", "accepts it")
    found.one("file limit", found.checks["file limit"]["mark"], "the running server may open")
    found.one("laravel", "ok", f"{laravel.url}/api/v1/users/me answers 401 with application/json without a token")
    found.one("laravel token", "ok", "user USR_5", "data.id is text", "with name and gender")
    found.one("laravel to server", "ok", server.url)
    found.one("clock", found.checks["clock"]["mark"], "it agrees with Laravel's")
    found.one("connect", "ok", "user USR_5 was let in")
    assert server.get("/api/connected-users") == {"count": 0, "users": []}


def test_it_writes_one_line_each_for_people(doctor: Doctor) -> None:
    ran = doctor.run()
    assert ran.returncode == 0
    *lines, empty, summary = ran.stdout.splitlines()
    assert empty == ""
    assert {line.split()[0] for line in lines} <= {"ok", "warn", "skipped"}
    assert len([line for line in lines if line.startswith("ok ")]) == int(summary.split()[0])
    assert all(("To do: " in line) is not line.startswith("ok ") for line in lines)
    assert ran.stderr == ""


def test_a_failure_is_summed_up_on_stderr(doctor: Doctor) -> None:
    doctor.settings["RING_TIMEOUT"] = "soon"
    ran = doctor.run()
    assert ran.returncode == 1
    assert ran.stderr.startswith("onlycare-socket: 1 of ")
    assert "RING_TIMEOUT=soon: expected seconds" in ran.stdout


def test_a_token_comes_from_a_file_as_well(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"Bearer {TOKEN}\n")
    doctor("--token-file", "token").one("connect", "ok")


def test_a_development_server_needs_no_settings(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "onlycare_socket", "serve", "--dev", "--port", "0"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as serving:
        assert serving.stderr is not None
        address = next(line for line in serving.stderr if "listening" in line).partition("address=")[2].split()[0]
        try:
            doctor = Doctor(tmp_path)
            doctor.settings = {}
            found = doctor("--dev", "--url", address, "--token", "dev:5", "--user", "5")
        finally:
            serving.terminate()
            serving.communicate()
    assert found.named("fail") == set(), found.checks
    found.one("connect", "ok")
    found.one("laravel", "skipped", "AUTH=static does without")


def test_help_says_what_is_checked_and_the_exit_codes(doctor: Doctor) -> None:
    text = doctor.run("--help").stdout
    for word in ("--public-url", "--token-file", "ONLYCARE_TOKEN", "--user", "--json", "1 something failed"):
        assert word in text


def test_wrong_usage_exits_with_2_and_quotes_no_token(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "pem").write_text(f"{TOKEN}\n{TOKEN}\n")
    for arguments, says in (
        (["--token-file", "nowhere"], "--token-file nowhere: No such file"),
        (["--token-file", "pem"], "the token must be one line"),
        (["--public-url", "ftp://calls.example.com"], "--public-url"),
    ):
        ran = doctor.run(*arguments)
        assert ran.returncode == 2
        assert says in ran.stderr
        assert TOKEN not in ran.stderr
