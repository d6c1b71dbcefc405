"""`deploy/install.sh` as far as it goes without a machine to install on: what it says, and what it refuses."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import PROJECT

SCRIPT = PROJECT / "deploy" / "install.sh"
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else: run it with sudo")


def install(*options: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs it here, where it never gets past what it refuses. `before` is what the command begins with."""
    command = [*before, str(SCRIPT), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck: sudo apt install shellcheck")
def test_shellcheck_has_nothing_to_say() -> None:
    command = ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == ""
    assert done.returncode == 0


def test_every_part_is_used() -> None:
    parts = {path.name for path in (SCRIPT.parent / "install").iterdir()}
    assert set(re.findall(r'^\. "\$HERE/install/(\S+)"', SCRIPT.read_text(), re.MULTILINE)) == parts


def test_help_names_every_option() -> None:
    done = install("--help")
    assert (done.returncode, done.stderr) == (0, "")
    options = set(re.findall(r"--[a-z-]+", (SCRIPT.parent / "install" / "options.sh").read_text()))
    assert {"--domain", "--laravel-url", "--secret-file", "--process-manager", "--dry-run", "--uninstall"} <= options
    assert options - set(re.findall(r"--[a-z-]+", done.stdout)) == set()
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert install("-h").stdout == done.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--domian", "x"], "there is no option --domian"),
        (["calls.example.com"], "there is no option calls.example.com"),
        (["--domain"], "--domain needs a value"),
        (["--domain", ""], "--domain is empty"),
        (["--domain="], "--domain is empty"),
        (["--domain", "https://calls.example.com/"], "--domain https://calls.example.com/: expected a name"),
        (["--domain", "calls"], "--domain calls: expected a name"),
        (["--domain", "a.b;include x"], "expected a name"),
        (["--laravel-url", "api.example.com"], "--laravel-url: expected an address"),
        (["--laravel-url", "https://api.example.com\nPORT=1"], "--laravel-url: expected an address"),
        (["--allowed-origins", "https://a.example.com\nPORT=1"], "--allowed-origins: expected"),
        (["--port", "none"], "--port none: expected a number"),
        (["--port", "443"], "--port 443: expected a number"),
        (["--port", "3003"], "--port 3003: expected a number"),
        (["--port", "70000"], "--port 70000: expected a number"),
        (["--process-manager", "supervisord"], "--process-manager supervisord: expected systemd or pm2"),
        (["--wheel", "server.zip"], "server.zip: expected a file named onlycare_socket-VERSION"),
        (["--wheel", "onlycare_socket-1.0.0-py3-none-any.whl", "--pure"], "with --wheel nothing is built"),
        (["--purge"], "--purge goes with --uninstall only"),
        (["--uninstall", "--rollback"], "do not go together"),
        (["--uninstall", "--domain", "calls.example.com"], "--uninstall takes no other options"),
        (["--rollback", "--port", "3002"], "--rollback takes no other options"),
    ],
)
def test_wrong_usage_is_pointed_out(options: list[str], complaint: str) -> None:
    done = install(*options)
    assert complaint in done.stderr
    assert "--help lists the options" in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


@NEEDS_ROOT
def test_it_asks_for_root() -> None:
    done = install("--dry-run", before=("setpriv", "--reuid=65534", "--clear-groups", "bash"))
    if "Permission denied" in done.stderr:
        pytest.skip("the checkout lies where nobody else may read it")
    assert (done.returncode, done.stdout) == (1, "")
    assert "this needs root: sudo " in done.stderr


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("release", "said"),
    [
        ('ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian 11"\n', "this is Debian 11; expected Debian 12 or newer"),
        ('ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04"\n', "this is Ubuntu 22.04; expected Debian 12"),
        ('ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora 41"\n', "this is Fedora 41; expected Debian 12"),
        ("", "this is an unknown system; expected Debian 12"),
    ],
)
def test_it_refuses_another_system(tmp_path: Path, release: str, said: str) -> None:
    (tmp_path / "os-release").write_text(release)
    covered = f'mount --bind {tmp_path}/os-release "$(readlink -f /etc/os-release)"; exec "$@"'
    options = ["--dry-run", "--no-nginx", "--laravel-url", "https://api.example.com"]
    done = install(*options, before=("unshare", "--mount", "sh", "-ec", covered, "covered"))
    assert said in done.stderr
    assert (done.returncode, done.stdout) == (1, "")


def test_pm2_is_the_one_that_is_tested() -> None:
    tested = json.loads((PROJECT / "tests" / "deploy" / "pm2" / "package.json").read_text())
    assert f"readonly PM2_VERSION={tested['dependencies']['pm2']}\n" in SCRIPT.read_text()
