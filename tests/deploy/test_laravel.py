"""laravel/ on real Laravels of three Debians, beside the real server and real phones.

What PHPUnit tests is in laravel/suite; it runs on a copy of laravel/application, a small stand-in for the backend, into
which the files of laravel/ are copied and the patch applied as laravel/README.md says. Stand-ins are: the controller
(ours, of the deployed one's shape), Sanctum (a header names the user) and Firebase (what would be pushed is kept).
"""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from onlycare_socket import __version__
from onlycare_socket.signing import signed_headers

from ..interop.server_process import SECRET, Server, free_port
from .laravel import debian
from .laravel.debian import Php
from .laravel.stage import Stage

ROOT: Final = Path(__file__).parents[2]
SHIPPED: Final = ROOT / "laravel"
TESTS: Final = Path(__file__).parent / "laravel"
CONTROLLER: Final = "app/Http/Controllers/Api/CallController.php"
PATCH: Final = SHIPPED / "patches" / "CallController.patch"
CHECK: Final = "/api/websocket/check"
CACHE_AND_CHECK: Final = "php artisan config:cache; php artisan route:cache; php artisan websocket:health"

# $@ is run beside a MariaDB that is there for it alone, empty and without accounts.
BESIDE_MARIADB: Final = """
set -eu
db=/run/standin
mkdir -p "$db/data"
echo "CREATE DATABASE standin;" > "$db/init.sql"
: > "$db/error.log"
mariadbd --no-defaults --datadir="$db/data" --socket="$db/socket" --skip-networking --skip-grant-tables --user=root \
    --init-file="$db/init.sql" --innodb-buffer-pool-size=32M 2> "$db/error.log" &
server=$!
for _ in $(seq 300); do
    if grep -q 'ready for connections' "$db/error.log"; then break; fi
    sleep 0.1
done
status=0
DB_SOCKET="$db/socket" "$@" || status=$?
kill "$server"
wait "$server" || true
exit "$status"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server("--dev", AUTH="static")
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def stage(server: Server) -> Iterator[Stage]:
    stage = Stage(server.url)
    yield stage
    stage.close()


@pytest.fixture(scope="module", params=["this machine", "trixie", "testing"])
def php(request: pytest.FixtureRequest) -> Php:
    """Debian 12's Laravel, if this is Debian 12; Debian 13's; and, when asked for, that of Debian testing."""
    match request.param:
        case "trixie":
            return debian.of_suite("trixie", "10.")
        case "testing":
            return debian.of_suite("testing", "")
        case _:
            return debian.of_this_machine()


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """The stand-in for the backend, with everything installed by the commands in the README."""
    if shutil.which("patch") is None:
        pytest.skip("needs patch: sudo apt install patch")
    folder = tmp_path / "application"
    shutil.copytree(TESTS / "application", folder)
    for made in ("storage/logs", "storage/framework/views", "bootstrap/cache", "unpatched"):
        (folder / made).mkdir(parents=True)
    shutil.copy(folder / CONTROLLER, folder / "unpatched")
    installed = subprocess.run(
        ["bash", "-euxc", commands_of("Install")],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "BACKEND": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stdout + installed.stderr
    shutil.copytree(TESTS / "suite", folder / "suite")
    return folder


def commands_of(heading: str) -> str:
    """Returns the first block of commands under a heading of laravel/README.md."""
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {heading}$.*?^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_suite_on_real_laravel(php: Php, application: Path, server: Server, stage: Stage) -> None:
    command = ["phpunit", "--bootstrap", "suite/bootstrap.php", "suite"]
    done = php.run(
        command if php.root is None else ["sh", "-c", BESIDE_MARIADB, "sh", *command],
        application=application,
        environment={"STAGE_URL": stage.url, "SERVER_URL": server.url, "SERVER_SECRET": SECRET},
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    assert ("Skipped" in done.stdout) == (php.root is None), "MariaDB is in every root"


def test_the_commands_of_an_operator(php: Php, application: Path, server: Server) -> None:
    """With the variables in .env, and all that Laravel caches in its caches, as in production."""
    (application / ".env").write_text(f"WEBSOCKET_URL={server.url}\nWEBSOCKET_SECRET={SECRET}\n")
    version = php.run(["php", "artisan", "--version"], application=application).stdout
    assert f"Laravel Framework {php.laravel}" in version
    done = php.run(["sh", "-euxc", CACHE_AND_CHECK], application=application)
    assert done.returncode == 0, done.stdout
    assert "\nLaravel and the socket server work together.\n" in done.stdout
    assert SECRET not in done.stdout

    (application / ".env").write_text(f"WEBSOCKET_URL={server.url}\nWEBSOCKET_SECRET=4fd0c1e6a85b97e2\n")
    assert php.run(["php", "artisan", "websocket:health"], application=application).returncode == 0
    done = php.run(["sh", "-euxc", CACHE_AND_CHECK], application=application)
    assert done.returncode == 4, done.stdout
    assert "refuses the secret of Laravel" in done.stdout
    assert "configuration is cached" in done.stdout


def test_a_signed_request_over_http(php: Php, application: Path, server: Server) -> None:
    (application / ".env").write_text(f"WEBSOCKET_URL={server.url}\nWEBSOCKET_SECRET=5ad0c1e6a85b97e2,{SECRET}\n")
    port = free_port()
    with php.serve(application, port):
        status, answer = ask(port, signed_headers(SECRET, "GET", CHECK, b"", now=int(time.time())))
        assert (status, answer["success"], answer["enabled"], answer["url"]) == (200, True, True, server.url)
        assert answer["health"]["status"] == "OK"
        assert answer["secretAccepted"] is False, "the first of the two is sent, and the server knows the second"
        assert answer["version"] == __version__
        status, answer = ask(port, signed_headers(SECRET, "GET", CHECK + "?", b"", now=int(time.time())))
        assert (status, answer["error"]["code"]) == (401, "SIGNATURE_WRONG")
        status, answer = ask(port, signed_headers(SECRET, "GET", CHECK, b"", now=int(time.time()) - 400))
        assert (status, answer["error"]["code"]) == (401, "TIMESTAMP_WRONG")


def ask(port: int, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Returns status and body of the check's answer, as soon as somebody answers."""
    deadline = time.monotonic() + 20
    while True:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{CHECK}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)
        except urllib.error.URLError:
            assert time.monotonic() < deadline, "PHP's web server does not answer"
            time.sleep(0.05)


def test_the_patch_also_applies_with_git(tmp_path: Path) -> None:
    controller = tmp_path / CONTROLLER
    controller.parent.mkdir(parents=True)
    shutil.copy(TESTS / "application" / CONTROLLER, controller)
    for way in ([], ["--reverse"]):
        done = subprocess.run(
            ["git", "apply", "--unsafe-paths", f"--directory={tmp_path}", *way, str(PATCH)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert ("use \\App\\Http\\Controllers\\Concerns\\SignalsCalls;" in controller.read_text()) == (way == [])
    assert controller.read_text() == (TESTS / "application" / CONTROLLER).read_text()


def test_the_patch_holds_names_only() -> None:
    """It is applied to somebody else's file, of which nothing but the first lines of methods is in it."""
    heads = r"--- a/.*|\+\+\+ b/.*|@@ .* @@"
    context = r" *(\{|/\*\*|\*/)"
    changes = r"[-+]    (public|private) function \w+\(.*\)|\+    use .*;|\+"
    line = re.compile(f"{heads}|{context}|{changes}")
    assert [text for text in PATCH.read_text().splitlines() if not line.fullmatch(text)] == []


def test_every_file_parses(php: Php, application: Path) -> None:
    done = php.run(
        ["sh", "-c", "find . -name '*.php' -print0 | xargs -0 -n1 php -d error_reporting=-1 -d display_errors=1 -l"],
        application=application,
    )
    said = [line for line in done.stdout.splitlines() if line]
    assert [line for line in said if not line.startswith("No syntax errors detected")] == []
    assert len(said) > len(list(SHIPPED.rglob("*.php")))
