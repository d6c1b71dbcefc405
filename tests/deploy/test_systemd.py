"""`deploy/onlycare-socket.service` on a booted Debian: what systemd makes of it, and what the server may do in it."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import COMMAND, PROJECT, install
from .machine import BOOTABLE, Machine
from .roots import debian_root

UNIT = "onlycare-socket"
FILE = f"/etc/systemd/system/{UNIT}.service"
ENV_FILE = f"/etc/{UNIT}/{UNIT}.env"
STATE = f"/var/lib/{UNIT}"
OVERRIDE = f"/run/systemd/system/{UNIT}.service.d/test.conf"
API_SECRET, JWT_SECRET = "the-api-secret-of-the-test", "the-jwt-secret-of-the-test-0123456789"
SETTINGS = f"AUTH=jwt\nJWT_SECRET={JWT_SECRET}\nLARAVEL_API_SECRET={API_SECRET}\n"
SUITES = ["bookworm", "trixie", "testing"] if os.environ.get("TEST_MATRIX") == "1" else ["bookworm"]


class Service:
    """The unit on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._since = time.time()

    def configure(self, settings: str, override: str = "") -> None:
        """Writes the settings, as the service's user owns them, and a drop-in for the unit."""
        self.machine.write(ENV_FILE, settings, mode=0o600)
        self.machine.run("chown", f"{UNIT}:", ENV_FILE)
        self.machine.write(OVERRIDE, override)
        self.machine.run("systemctl", "daemon-reload")

    def show(self, name: str) -> str:
        """Returns a property of the unit."""
        return self.machine.run("systemctl", "show", "--property", name, "--value", UNIT).stdout.strip()

    @property
    def pid(self) -> str:
        """The server's process id in there."""
        return self.show("MainPID")

    def journal(self) -> str:
        """Returns what the server and systemd have said of it in this test."""
        return self.machine.journal(UNIT, since=self._since)

    def health(self) -> dict[str, object]:
        """Returns what /health says, {} when nobody answers."""
        script = (
            "import urllib.request as u; print(u.urlopen('http://127.0.0.1:3001/health', timeout=5).read().decode())"
        )
        answer = self.machine.run("python3", "-c", script, check=False)
        health: dict[str, object] = json.loads(answer.stdout) if answer.returncode == 0 else {}
        return health

    def wait_healthy(self, within: float) -> float:
        """Returns the seconds until the server was well; AssertionError when that took too long."""
        begun = time.monotonic()
        while self.health().get("status") != "OK":
            assert time.monotonic() - begun < within, self.journal()
        return time.monotonic() - begun

    def command(self, *arguments: str) -> str:
        """Runs the command with the server's settings and returns what it printed."""
        return self.machine.run(COMMAND, *arguments, "--env-file", ENV_FILE).stdout

    def in_background(self, name: str, *arguments: str) -> None:
        """Runs the command as a unit of its own."""
        self.machine.run(
            "systemd-run", "--quiet", "--collect", f"--unit={name}", COMMAND, *arguments, "--env-file", ENV_FILE
        )


@pytest.fixture(scope="module", params=SUITES)
def machine(request: pytest.FixtureRequest, wheel: Path) -> Iterator[Machine]:
    """A machine with the release, the user and the unit, as install.sh leaves them."""
    with Machine(debian_root(request.param, BOOTABLE)) as machine:
        home = ["--home-dir", STATE, "--no-create-home", "--shell", "/usr/sbin/nologin"]
        machine.run("useradd", "--system", "--user-group", *home, UNIT)
        install(machine, wheel)
        machine.put(PROJECT / "deploy" / f"{UNIT}.service", FILE, mode=0o644)
        yield machine


@pytest.fixture
def service(machine: Machine) -> Service:
    """The unit, configured and not running."""
    service = Service(machine)
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "reset-failed", UNIT, check=False)
    service.configure(SETTINGS)
    return service


@pytest.fixture
def running(service: Service) -> Service:
    """The unit, running."""
    service.machine.run("systemctl", "start", UNIT)
    return service


def test_systemd_finds_nothing_wrong_with_the_unit(service: Service) -> None:
    done = service.machine.run("systemd-analyze", "verify", "--recursive-errors=yes", FILE)
    assert done.stdout + done.stderr == ""


def test_little_is_exposed(service: Service) -> None:
    """The threshold is in tenths; the issue asks for 2.5."""
    shown = service.machine.run("systemd-analyze", "security", "--no-pager", "--threshold=20", UNIT).stdout
    assert re.search(r"Overall exposure level for \S+: \d\.\d OK", shown), shown


def test_it_has_started_only_when_its_port_is_open(service: Service) -> None:
    """Asks again and again, first whether it has started and then whether it listens."""
    script = f"""
import socket, subprocess
subprocess.run(["systemctl", "start", "--no-block", "{UNIT}"], check=True)
seen = []
while not seen or seen[-1][0] in ("inactive", "activating"):
    state = subprocess.run(["systemctl", "is-active", "{UNIT}"], capture_output=True, text=True).stdout.strip()
    with socket.socket() as client:
        seen.append((state, client.connect_ex(("127.0.0.1", 3001)) == 0))
print(seen[0], seen[-1])
"""
    seen = service.machine.run("python3", "-c", script, timeout=30).stdout.strip()
    assert seen == "('activating', False) ('active', True)"
    assert service.show("StatusText") == "Listening on http://127.0.0.1:3001"
    assert service.health()["status"] == "OK"


def test_killed_it_is_back_and_well_within_three_seconds(running: Service) -> None:
    killed = running.pid
    running.machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    assert running.wait_healthy(within=10) < 3, running.journal()
    assert running.pid != killed
    assert running.show("NRestarts") == "1"


def test_stopped_it_drains_and_ends_in_order(running: Service) -> None:
    """With two phones on WebSockets in a call, and two that have long polls open."""
    running.in_background("websockets", "call", "--hold", "300", "--caller", "1", "--callee", "2")
    running.in_background("polls", "call", "--hold", "300", "--caller", "3", "--callee", "4", "--transport", "polling")
    _wait_until(lambda: running.health().get("activeCalls") == 2)
    begun = time.monotonic()
    running.machine.run("systemctl", "stop", UNIT)
    assert time.monotonic() - begun < 5
    journal = running.journal()
    assert '"event":"stopped"' in journal
    assert f"{UNIT}.service: Deactivated successfully." in journal
    running.machine.run("systemctl", "stop", "websockets", "polls")


def test_a_server_that_hangs_is_ended_and_started_again(service: Service) -> None:
    service.configure(SETTINGS, "[Service]\nWatchdogSec=1\n")
    service.machine.run("systemctl", "start", UNIT)
    time.sleep(2)  # signs of life keep it alive for longer than the watchdog waits
    hung = service.pid
    assert service.show("NRestarts") == "0"
    service.machine.run("systemctl", "kill", "--signal=STOP", UNIT)
    _wait_until(lambda: service.show("NRestarts") == "1")
    service.wait_healthy(within=10)
    assert service.pid != hung
    journal = service.journal()
    assert "Watchdog timeout" in journal
    assert re.search(r'File ".*/onlycare_socket/app\.py", line \d+ in serve', journal), "it says where it hung"


def test_the_shipped_watchdog_is_on(running: Service) -> None:
    assert running.show("WatchdogUSec") == "20s"


def test_no_core_is_kept_of_what_holds_tokens(running: Service) -> None:
    limits = running.machine.path(f"/proc/{running.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits), limits


def test_a_wrong_setting_fails_once_and_says_what_to_correct(service: Service) -> None:
    service.configure(f"{SETTINGS}RING_TIMEOUT=soon\n")
    assert service.machine.run("systemctl", "start", UNIT, check=False).returncode != 0
    time.sleep(3)
    assert (service.show("ActiveState"), service.show("NRestarts")) == ("failed", "0")
    status = service.machine.run("systemctl", "status", "--no-pager", "--lines=20", UNIT, check=False).stdout
    assert re.search(r"onlycare-socket: RING_TIMEOUT=soon: expected .* \(set in /etc/", status), status
    service.configure(SETTINGS)
    service.machine.run("systemctl", "start", UNIT)


def test_a_port_in_use_is_tried_until_it_is_free(service: Service) -> None:
    holder = "import socket, time; held = socket.create_server(('127.0.0.1', 3001)); print('held'); time.sleep(300)"
    service.machine.run("systemd-run", "--quiet", "--unit=holder", "python3", "-u", "-c", holder)
    _wait_until(lambda: "held" in service.machine.journal("holder"))
    assert service.machine.run("systemctl", "start", UNIT, check=False).returncode != 0
    assert "cannot listen on 127.0.0.1, port 3001: it is in use" in service.journal()
    assert service.show("StartLimitIntervalUSec") == "0", "it never gives up"
    service.machine.run("systemctl", "stop", "holder")
    service.wait_healthy(within=10)


@pytest.mark.parametrize("transport", ["upgrade", "polling", "websocket"])
def test_calls_work_in_the_sandbox(running: Service, transport: str) -> None:
    assert "OK: it rang" in running.command("call", "--transport", transport)


def test_signatures_are_verified_in_the_sandbox(service: Service) -> None:
    """RS256 goes through cryptography's native code and cffi, which forbidden memory could break."""
    keys = """
import jwt, time
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(65537, 2048)
open("/etc/onlycare-socket/key.pem", "wb").write(
    key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
for user in ("1", "2"):
    print(jwt.encode({"sub": user, "exp": time.time() + 600}, key, "RS256"))
"""
    python = f"{COMMAND.rpartition('/')[0]}/python3"
    caller, callee = service.machine.run(python, "-c", keys).stdout.split()
    service.configure(f"AUTH=jwt\nJWT_PUBLIC_KEY=/etc/{UNIT}/key.pem\nLARAVEL_API_SECRET={API_SECRET}\n")
    service.machine.run("systemctl", "start", UNIT)
    phones = ["--caller", "1", "--callee", "2", "--caller-token", caller, "--callee-token", callee]
    assert "OK: it rang" in service.command("call", *phones)


def test_a_backend_is_reached_by_name_and_tls_from_the_sandbox(service: Service) -> None:
    machine = service.machine
    machine.put(PROJECT / "tests" / "deploy" / "tls_backend.py", "/opt/backend/tls_backend.py")
    machine.shell(
        "cd /opt/backend; echo 127.0.0.1 backend.test >>/etc/hosts;"
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=backend.test"
        " -addext subjectAltName=DNS:backend.test -keyout key.pem -out certificate.pem 2>/dev/null;"
        "cp certificate.pem /usr/local/share/ca-certificates/backend.crt; update-ca-certificates >/dev/null 2>&1;"
        "systemd-run --quiet --unit=backend --working-directory=/opt/backend"
        " python3 tls_backend.py certificate.pem key.pem 8443"
    )
    service.configure(f"LARAVEL_API_URL=https://backend.test:8443/api/v1\nLARAVEL_API_SECRET={API_SECRET}\n")
    machine.run("systemctl", "start", UNIT)
    tokens = ["--caller", "1", "--callee", "2", "--caller-token", "1|a", "--callee-token", "2|b"]
    assert "OK: it rang" in service.command("call", *tokens)


def test_the_sandbox_holds(service: Service) -> None:
    """The same probe is run outside of it too, so that it is known to see a difference."""
    machine = service.machine
    machine.put(PROJECT / "tests" / "deploy" / "sandbox_probe.py", "/opt/onlycare-socket/probe.py")
    machine.shell(f"chown -R {UNIT}: /etc/{UNIT} /opt/onlycare-socket; install -d -o {UNIT} {STATE}")
    probe = ["/usr/bin/python3", "/opt/onlycare-socket/probe.py", STATE]
    outside = json.loads(
        machine.run("systemd-run", "--quiet", "--pipe", "--wait", f"--property=User={UNIT}", *probe).stdout
    )
    machine.put(PROJECT / "deploy" / f"{UNIT}.service", "/etc/systemd/system/probe.service", mode=0o644)
    once = f"[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart={' '.join(probe)}\n"
    machine.write("/etc/systemd/system/probe.service.d/once.conf", once)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "probe")
    inside = json.loads(re.findall(r"^\{.*\}$", machine.journal("probe"), re.MULTILINE)[0])

    assert {STATE, "/tmp", "/run/lock", "/dev/shm", f"/etc/{UNIT}", "/opt/onlycare-socket"} <= {*outside["writes"]}
    assert {STATE, "/tmp", "/opt/onlycare-socket"} <= {*outside["runs what it wrote in"]}
    assert len(outside["may"]) == 7
    assert inside == {
        "writes": ["/tmp", STATE, "/var/tmp"],
        "runs what it wrote in": [],
        "may": ["run what is installed", "keep a database", "use the internet"],
    }


def test_its_state_is_its_own(running: Service) -> None:
    assert running.machine.shell(f"stat -c '%U:%G %a' {STATE}") == f"{UNIT}:{UNIT} 750"
    assert running.show("UMask") == "0077"


def test_secrets_are_not_to_be_seen(running: Service) -> None:
    running.command("call")
    machine, pid = running.machine, running.pid
    process = "".join(machine.path(f"/proc/{pid}/{file}").read_text() for file in ("environ", "cmdline"))
    shown = machine.run("systemctl", "show", UNIT).stdout + machine.run("systemctl", "cat", UNIT).stdout
    for secret in (API_SECRET, JWT_SECRET):
        assert secret not in process + shown + machine.journal()
    assert machine.run("setpriv", "--reuid=65534", "--clear-groups", "cat", ENV_FILE, check=False).returncode == 1


def test_it_starts_with_the_machine(service: Service) -> None:
    service.machine.run("systemctl", "enable", "--quiet", UNIT)
    service.machine.reboot()
    assert service.show("ActiveState") == "active"
    assert service.health()["status"] == "OK"


def _wait_until(true: Callable[[], bool], within: float = 20) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
