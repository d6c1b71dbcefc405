"""A Debian machine that boots, for what only a booted machine shows: units, timers, reboots, an installer.

    with Machine(debian_root("bookworm", BOOTABLE)) as machine:
        machine.put(wheel, "/opt/a.whl")
        machine.run("systemctl", "start", "onlycare-socket")
        print(machine.journal("onlycare-socket"))

systemd-nspawn boots an overlay over the root, which is thrown away in the end: the root itself is never written to.
Mounts and processes are in namespaces of the machine's own, which end with the test run however that ends; a run that
is killed leaves empty folders. A machine takes about half a second to boot and as long to power off.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

BOOTABLE = ("ca-certificates", "dbus", "python3-venv", "systemd-sysv")
MISSING = "needs root that may mount, systemd-nspawn and cgroup v2: sudo apt install systemd-container mmdebstrap"

_BOOT = 60.0  # seconds; an idle machine needs less than one
_HOME = "/root"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_numbers = itertools.count(1)

# What commands in there need to reach package registries the way this machine does. Copied, never printed.
_REGISTRY_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf", "/etc/npmrc", f"{_HOME}/.npmrc")
_REGISTRY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

# $1 work folder, $2 root, $3... cgroups, then "--" and the command of nspawn. A cgroup of its own keeps two machines
# that run at once out of each other's processes. 133 is nspawn's way to say that the machine wants to reboot.
_BOOT_SCRIPT = """
set -eu
work=$1 root=$2; shift 2
while [ "$1" != -- ]; do mkdir "$1"; echo 0 > "$1/cgroup.procs"; shift; done; shift
mkdir -p /run/systemd/nspawn && mount -t tmpfs machine /run/systemd/nspawn # its notes stay in here
mount -t tmpfs -o mode=755 machine "$work"
mkdir "$work/upper" "$work/overlay" "$work/root"
mount -t overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/overlay" machine "$work/root"
rc=133
while [ "$rc" = 133 ]; do rc=0; "$@" || rc=$?; done
exit "$rc"
"""


class Machine:
    """One machine; it is up inside `with`.

    `host_network=True`: it shares this machine's network, ports included, and can reach package registries.
    Otherwise it has only a loopback of its own, so that no port of it meets anything; single commands may then still be
    given this machine's network (`run(..., host_network=True)`).
    """

    def __init__(self, root: Path, *, host_network: bool = False) -> None:
        self._root = root
        self._host_network = host_network
        self.name = f"onlycare-{os.getpid()}-{next(_numbers)}"
        self._work = Path()
        self._cgroups = [top / self.name for top in _cgroup_tops()]
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        if not can_boot():
            pytest.skip(MISSING)
        self._work = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        try:
            self._start()
            self._wait_until_up()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.power_off()
        finally:
            self._clean_up()

    def run(
        self,
        *command: str,
        check: bool = True,
        timeout: float = 60,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        host_network: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in there as root and returns it with its output as text.

        It has a bare environment (PATH, HOME and `env`), and is ended after `timeout` seconds (exit code 124).
        AssertionError with the output unless it succeeds, or `check=False`.
        """
        variables = {"PATH": _PATH, "HOME": _HOME, "LC_ALL": "C.UTF-8", **(env or {})}
        namespaces = ["--mount", "--uts", "--ipc", "--pid", "--cgroup"]
        if self._host_network or host_network:
            variables |= {name: os.environ[name] for name in _REGISTRY_VARIABLES if name in os.environ}
        else:
            namespaces.append("--net")
        done = subprocess.run(
            ["nsenter", f"--target={self._leader}", *namespaces, "--", "timeout", "-k", "5", str(timeout), *command],
            input=stdin or "",
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout + 15,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def shell(self, script: str, *, check: bool = True, timeout: float = 60) -> str:
        """Runs a script of sh in there and returns what it printed, without the last line's end."""
        return self.run("sh", "-euc", script, check=check, timeout=timeout).stdout.rstrip("\n")

    def path(self, inside: str) -> Path:
        """Returns this machine's path to a file in there, to read or write it; good until the next reboot."""
        return Path(f"/proc/{self._leader}/root{inside}")

    def put(self, source: Path, inside: str, *, mode: int | None = None) -> None:
        """Copies a file or a folder in, with its modes and links, as root's. `inside` is its whole new name."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
        if mode is not None:
            target.chmod(mode)

    def write(self, inside: str, text: str, *, mode: int = 0o644) -> None:
        """Writes a text file in there, as root's; its folders are made."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)

    def use_registries(self) -> None:
        """Lets apt, pip and npm in there reach packages the way this machine does; for commands with its network."""
        for name in ("/etc/resolv.conf", *_REGISTRY_FILES):
            source = Path(name)
            if source.exists():
                self.put(source, name, mode=source.stat().st_mode & 0o777)

    def journal(self, unit: str = "", *, since: float = 0) -> str:
        """Returns the journal's messages without time and host, of one unit if given, since a time in Unix seconds."""
        chosen = [f"--unit={unit}"] if unit else []
        return self.run("journalctl", "--no-pager", "--output=cat", f"--since=@{since:.6f}", *chosen).stdout

    def reboot(self) -> None:
        """Reboots, and returns when the machine is up again."""
        before = self._leader
        self.run("systemctl", "reboot", check=False)
        self._wait_until_up(unlike=before)

    def power_off(self) -> None:
        """Shuts down in order; a machine that does not is killed. Needed only to test the shutdown itself."""
        if self._nspawn is None or self._nspawn.poll() is not None:
            return
        self.run("systemctl", "poweroff", check=False)
        try:
            self._nspawn.wait(30)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not power off:\n{self.console()}") from None

    def console(self) -> str:
        """Returns what the machine wrote on its console, the end of it."""
        return self._console.read_text(encoding="utf-8", errors="replace")[-4000:]

    @property
    def _console(self) -> Path:
        return self._work.with_suffix(".console")

    def _start(self) -> None:
        nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--link-journal=no", "--boot"]
        nspawn += [f"--machine={self.name}", f"--directory={self._work / 'root'}", "--resolv-conf=off"]
        nspawn += [] if self._host_network else ["--private-network"]
        # A process id namespace around it all, since nspawn's machine would outlive a killed nspawn.
        alone = ["setpriv", "--pdeathsig=KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]
        arguments = [str(self._work), str(self._root), *map(str, self._cgroups), "--"]
        with self._console.open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*alone, "sh", "-c", _BOOT_SCRIPT, "boot", *arguments, *nspawn],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={"PATH": _PATH, "UNIFIED_CGROUP_HIERARCHY": "1"},
            )

    def _wait_until_up(self, unlike: int = 0) -> None:
        """Waits until systemd in there has started everything; some unit may have failed ("degraded")."""
        end = time.monotonic() + _BOOT
        while time.monotonic() < end:
            leader = self._find_leader()
            if leader not in (0, unlike):
                self._leader = leader
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return
            if self._nspawn is None or self._nspawn.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{self.name} did not boot:\n{self.console()}")

    def _find_leader(self) -> int:
        """Returns the process id of the machine's init; 0 while there is none."""
        assert self._nspawn is not None
        below = _children(self._nspawn.pid)
        for _ in ("sh", "nspawn"):
            below = [child for pid in below for child in _children(pid)]
        # Until it has become the machine's systemd, it is nspawn itself, busy with the mounts.
        return next((pid for pid in below if _command(pid) == "systemd"), 0)

    def _clean_up(self) -> None:
        if self._nspawn is not None:
            if self._nspawn.poll() is None:
                self._nspawn.send_signal(signal.SIGKILL)
            self._nspawn.wait(10)
        for group in self._cgroups:
            _remove_cgroup(group)
        self._console.unlink(missing_ok=True)
        shutil.rmtree(self._work, ignore_errors=True)


def can_boot() -> bool:
    """True when this machine has what it takes to boot another one in it."""
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None or not _cgroup_tops():
        return False
    # root of a container may have no right to mount anything
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


def _cgroup_tops() -> list[Path]:
    """Returns where cgroup v2 is mounted, and beside it systemd's own v1 hierarchy if there is one."""
    unified, others = [], []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        mount, kind, _, options = [*line.split()[4:5], *line.partition(" - ")[2].split()]
        if kind == "cgroup2":
            unified.append(Path(mount))
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            others.append(Path(mount))
    return unified + others if unified else []


def _remove_cgroup(group: Path) -> None:
    """Removes a cgroup with those in it. The kernel needs a moment until the last dead process has left them."""
    for _ in range(50):
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                break
        if not group.exists():
            return
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
