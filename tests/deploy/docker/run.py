"""Runs what build.py made as compose.yaml says: its user, its capabilities, a root that is read only, a network.

A network is a pair of namespaces with a cable between, an address at each end; it has no way out.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from .build import Image

_PATIENCE: Final = 20.0
"""Seconds after which something that does not come counts as missing."""

# $1 folder, $2... places that can be written, then "--" and a command.
_ENTER: Final = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for name in null zero random urandom; do touch "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -o remount,bind,ro "$root"
while [ "$1" != -- ]; do
  owner=$(stat --format %u:%g "$root$1")
  mount -t tmpfs tmpfs "$root$1"
  chown "$owner" "$root$1"
  shift
done
shift
exec /usr/sbin/chroot "$root" "$@"
"""


class Network(NamedTuple):
    """Process ids that hold the namespaces of the two ends."""

    server: int
    nginx: int


@contextmanager
def network(server: str, nginx: str) -> Iterator[Network]:
    """Two namespaces on one cable, with these addresses of a /24 network."""
    holders = [subprocess.Popen(["unshare", "--net", "sleep", "infinity"]) for _ in range(2)]
    try:
        ends = Network(*(holder.pid for holder in holders))
        ours = os.readlink("/proc/self/ns/net")
        _until(lambda: all(os.readlink(f"/proc/{pid}/ns/net") != ours for pid in ends))
        _ip(ends.server, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(ends.nginx))
        for pid, address in zip(ends, (server, nginx), strict=True):
            _ip(pid, "address", "add", f"{address}/24", "dev", "eth0")
            _ip(pid, "link", "set", "eth0", "up")
            _ip(pid, "link", "set", "lo", "up")
        yield ends
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


def within(namespace: int, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of this machine at one end of the network, and returns what it said."""
    return subprocess.run(
        ["nsenter", f"--net=/proc/{namespace}/ns/net", *command],
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )


class Container:
    """A service of compose.yaml as it runs: `namespace` is its end of the network."""

    def __init__(self, image: Image, service: dict[str, Any], namespace: int, *, log: Path) -> None:
        self._image = image
        self._namespace = namespace
        self._env = {**image.env, **service.get("environment", {})}
        volumes = [volume["target"] for volume in service.get("volumes", []) if volume["type"] == "volume"]
        self._writable: list[str] = [*service.get("tmpfs", []), *volumes]
        self._capabilities = [f"+{name.lower()}" for name in service.get("cap_add", [])]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the image's command."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command([*self._image.entrypoint, *self._image.command]), env=self._env, stdout=log, stderr=log
            )

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command beside it, as `docker exec` does."""
        return subprocess.run(
            self._command(command), env=self._env, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )

    def is_healthy(self) -> bool:
        """Carries out the health check once; the exit codes that an engine knows are 0 and 1."""
        code = self.run(self._image.health).returncode
        assert code in (0, 1)
        return code == 0

    def until_healthy(self) -> None:
        """Returns when the health check says so."""
        _until(self.is_healthy)

    def log(self) -> str:
        """Returns what it wrote."""
        return self._log.read_text()

    def stop(self) -> int:
        """Sends the image's stop signal and returns the exit code."""
        assert self._process is not None
        (first,) = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        os.kill(int(first), signal.Signals[self._image.stop_signal])
        return self._process.wait(_PATIENCE)

    def end(self) -> None:
        """Ends it, however it is."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _command(self, command: Sequence[str]) -> list[str]:
        uid, _, gid = self._image.user.replace("root", "0:0").partition(":")
        return [
            *("nsenter", f"--net=/proc/{self._namespace}/ns/net"),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *("sh", "-c", _ENTER, "-", str(self._image.root), *self._writable, "--"),
            *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"),
            *(f"--bounding-set={','.join(['-all', *self._capabilities])}", "--inh-caps=-all", "--"),
            *("sh", "-c", 'cd "$0" && exec "$@"', self._image.folder, *command),
        ]


def _ip(namespace: int, *arguments: str) -> None:
    subprocess.run(["nsenter", f"--net=/proc/{namespace}/ns/net", "ip", *arguments], check=True)


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
