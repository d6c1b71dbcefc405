"""PHP of several Debians: this machine's own, and that of roots made with mmdebstrap.

A command in a root runs in a mount namespace of its own, on an overlay that is thrown away with it; it shares this
machine's network, so that loopback reaches the servers of the test.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ..roots import debian_root

PACKAGES: Final = ("php-laravel-framework", "php-guzzlehttp-guzzle", "php-cli", "php-curl", "php-sqlite3", "phpunit")
MARIADB: Final = ("php-mysql", "mariadb-server-core")
MISSING: Final = f"needs Laravel: sudo apt install {' '.join(PACKAGES)}"

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# $1 a folder to mount at, $2 the root, $3 what the command may write to, then the command.
_IN_ROOT: Final = """
set -eu
work=$1 root=$2 writable=$3; shift 3
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/overlay" "$work/debian"
mount -t overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/overlay" overlay "$work/debian"
mkdir -p "$work/debian/$writable"
mount --bind "$writable" "$work/debian/$writable"
mount --bind /dev "$work/debian/dev"
mount -t proc proc "$work/debian/proc"
exec chroot "$work/debian" "$@"
"""


class Php(NamedTuple):
    """The PHP of this machine, or of a root. `laravel` is how the version in there begins."""

    laravel: str
    root: Path | None = None

    def run(
        self, command: Sequence[str], *, application: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the application's folder, with both outputs as one text."""
        return subprocess.run(
            self._in(application, command),
            env={"PATH": _PATH, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )

    @contextmanager
    def serve(self, application: Path, port: int) -> Iterator[None]:
        """Runs the application behind PHP's own web server on a port of loopback."""
        command = ["php", "-S", f"127.0.0.1:{port}", "-t", "public", "public/index.php"]
        with subprocess.Popen(
            self._in(application, command),
            env={"PATH": _PATH},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as running:
            try:
                yield
            finally:
                running.kill()

    def _in(self, application: Path, command: Sequence[str]) -> list[str]:
        return [*self._prefix(application), "sh", "-c", 'cd "$0" && exec "$@"', str(application), *command]

    def _prefix(self, application: Path) -> list[str]:
        if self.root is None:
            return []
        work = application.parent / "mounts"
        work.mkdir(exist_ok=True)
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _IN_ROOT, "sh"]
        return [*unshare, str(work), str(self.root), str(application)]


def of_this_machine() -> Php:
    """Debian 12's is 8.83. Skips the test where PHP or one of the packages is missing."""
    probe = 'foreach (["PDO", "pdo_sqlite", "curl"] as $e) { if (!extension_loaded($e)) { exit(1); } }' + (
        'require "Illuminate/autoload.php"; require "GuzzleHttp/autoload.php";'
        "echo Illuminate\\Foundation\\Application::VERSION;"
    )
    if shutil.which("php") is None or shutil.which("phpunit") is None:
        pytest.skip(MISSING)
    found = subprocess.run(
        ["php", "-d", "error_reporting=0", "-r", probe], capture_output=True, text=True, check=False, timeout=30
    )
    if found.returncode:
        pytest.skip(MISSING)
    return Php(found.stdout.strip())


def of_suite(suite: str, laravel: str) -> Php:
    """That of a Debian release, with a MariaDB beside it. A moving suite is tested when TEST_MATRIX=1 asks for it."""
    if suite == "testing" and os.environ.get("TEST_MATRIX") != "1":
        pytest.skip("Debian testing moves, so it is tested by hand: make test-matrix")
    return Php(laravel, debian_root(suite, [*PACKAGES, *MARIADB]))
