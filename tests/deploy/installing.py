"""A machine with install.sh in it, and what a test wants to know of it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .conftest import PROJECT
from .machine import Machine
from .pantry import ENVIRONMENT, stock_npm, stock_pip
from .roots import debian_root

DOMAIN, LARAVEL = "calls.example.com", "https://api.example.com"
CHECKOUT = "/srv/onlycare-socket"
ENV_FILE = "/etc/onlycare-socket/onlycare-socket.env"
UPSTREAM = "/etc/nginx/conf.d/onlycare-socket-upstream.conf"
_PARTS = ("deploy", "src", "web", "hatch_build.py", "pyproject.toml", "README.md", "LICENSE")
_LOCKS = ("requirements.txt", "requirements-build.txt")


class Host:
    """One machine as its operator sees it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def install(self, *options: str, code: int = 0) -> str:
        """Runs install.sh and returns all it said. AssertionError unless it ends with this exit code."""
        done = self.machine.run(f"{CHECKOUT}/deploy/install.sh", *options, check=False, timeout=300, env=ENVIRONMENT)
        said = done.stdout + done.stderr
        assert done.returncode == code, said + self.machine.journal("onlycare-socket")[-3000:]
        return said

    def first_install(self, wheel: Path, *options: str) -> str:
        """Installs a wheel, without nginx unless a domain is given."""
        nginx = () if "--domain" in options else ("--no-nginx",)
        return self.install("--wheel", self.carry(wheel), "--laravel-url", LARAVEL, *nginx, *options)

    def carry(self, wheel: Path) -> str:
        """Copies a wheel in and returns where it is."""
        self.machine.put(wheel, f"/srv/{wheel.name}")
        return f"/srv/{wheel.name}"

    def health(self, port: int = 3001) -> dict[str, Any]:
        """Returns what /health says, {} when nobody answers."""
        done = self.machine.run("curl", "-sS", "-m", "5", f"http://127.0.0.1:{port}/health", check=False)
        health: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return health

    def version(self, port: int = 3001) -> str:
        """Returns the version that answers on a port, "" when none does."""
        return str(self.health(port).get("version", ""))

    def pid(self) -> str:
        """Returns the server's process id under systemd."""
        return self.machine.shell("systemctl show --property MainPID --value onlycare-socket")

    def releases(self) -> list[str]:
        """Returns the versions of the releases that are kept."""
        return [name.partition("-")[0] for name in self.machine.shell("ls /opt/onlycare-socket/releases").split()]

    def server_processes(self) -> str:
        """Returns the command lines of the service user's processes."""
        found = "find /proc -maxdepth 1 -user onlycare-socket -exec cat {}/cmdline \\; | tr '\\0' ' '"
        return self.machine.shell(found, check=False)

    def files(self) -> dict[str, str]:
        """Returns every file there is, but for what a running system writes by itself, with all that changes of it."""
        own = "-path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /var/log/journal"
        listing = self.machine.shell(f"find / \\( {own} \\) -prune -o -printf '%p\\t%y %m %u %g %T@ %l %s\\n'")
        return dict(line.split("\t", 1) for line in listing.splitlines())

    def settings(self) -> str:
        """Returns the text of the file of settings."""
        return self.machine.path(ENV_FILE).read_text()

    def secret(self) -> str:
        """Returns the secret in it."""
        return self.settings().partition("LARAVEL_API_SECRET=")[2].partition("\n")[0]

    def edit(self, inside: str, old: str, new: str) -> None:
        """Replaces text in a file, as an operator's editor does."""
        text = self.machine.path(inside).read_text()
        assert old in text
        self.machine.write(inside, text.replace(old, new))

    def certify(self) -> None:
        """Gives the domain a certificate where certbot keeps them, and has the machine trust it and find itself."""
        folder = f"/etc/letsencrypt/live/{DOMAIN}"
        self.machine.shell(
            f"mkdir -p {folder}; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            f"-subj /CN={DOMAIN} -addext subjectAltName=DNS:{DOMAIN} "
            f"-keyout {folder}/privkey.pem -out {folder}/fullchain.pem 2>/dev/null; "
            f"cp {folder}/fullchain.pem /usr/local/share/ca-certificates/calls.crt; "
            f"update-ca-certificates >/dev/null 2>&1; echo 127.0.0.1 {DOMAIN} >> /etc/hosts"
        )

    def start_laravel(self) -> str:
        """Starts the stand-in for Laravel and returns its URL."""
        self.machine.put(PROJECT / "tests" / "interop" / "laravel_stand_in.py", "/srv/laravel_stand_in.py")
        script = (
            "import threading, laravel_stand_in as l; print(l.LaravelStandIn().url, file=open('/tmp/laravel', 'w'), "
            "flush=True); threading.Event().wait()"
        )
        self.machine.run("systemd-run", "--quiet", "--working-directory=/srv", "python3", "-c", script)
        return self.machine.shell("until [ -s /tmp/laravel ]; do sleep 0.05; done; cat /tmp/laravel")


@contextmanager
def host(suite: str, packages: tuple[str, ...]) -> Iterator[Host]:
    """Boots a machine that has this checkout, and what pip and npm will ask for."""
    with Machine(debian_root(suite, packages)) as machine:
        for part in (*_PARTS, *_LOCKS):
            machine.put(PROJECT / part, f"{CHECKOUT}/{part}")
        stock_pip(machine, suite)
        if "npm" in packages:
            stock_npm(machine, suite)
        yield Host(machine)


def wheel_of(version: str, folder: Path, *, broken: str = "") -> Path:
    """Builds a wheel of this checkout that calls itself another version. `broken` is code that its server runs."""
    source = folder / f"source-{version}"
    for part in _PARTS[1:]:
        path = PROJECT / part
        if path.is_dir():
            shutil.copytree(path, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / part)
    (source / "src/onlycare_socket/__init__.py").write_text(f'"""Another one."""\n\n__version__ = "{version}"\n')
    with (source / "src/onlycare_socket/app.py").open("a") as app:
        app.write(broken)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=120)
    return folder / f"onlycare_socket-{version}-py3-none-any.whl"
