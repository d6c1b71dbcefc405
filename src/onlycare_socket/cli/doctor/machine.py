"""What Linux tells of this machine: who listens on a port, who may write where, the limit of files, the clock."""

import os
import pwd
import re
import resource
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

_LISTENING: Final = "0A"
"""The state of a listening socket in /proc/net/tcp."""
_OPEN_FILES: Final = re.compile(r"^Max open files\s+(\d+|unlimited)\s", re.MULTILINE)


class Listener(Struct, frozen=True):
    """Who holds a port. `pid` is None when only root may know it."""

    user: str
    pid: int | None = None
    command: str = ""

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid})" if self.pid else f"a process of user {self.user}"


def listener(port: int) -> Listener | None:
    """Returns who listens on a port of this machine, None when that is nobody or cannot be told."""
    for uid, inode in _listening(port):
        pid = _holder(f"socket:[{inode}]")
        return Listener(user_name(uid), pid, _command(pid) if pid else "")
    return None


def file_limit(pid: int) -> int | None:
    """Returns how many files a running process may open, None when that cannot be told."""
    found = _OPEN_FILES.search(_text(Path(f"/proc/{pid}/limits")))
    return int(found[1]) if found and found[1].isdigit() else None


def is_a_server(pid: int) -> bool:
    """Whether a process is a server of this project: a proxy may hold the port for one in a container."""
    return "onlycare" in _text(Path(f"/proc/{pid}/cmdline"))


def usual_file_limit() -> int:
    """Returns how many files a server started from this shell could open: it raises its limit as far as it may."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def clock_is_kept() -> bool | None:
    """Whether a time service keeps the clock of this machine; None when that cannot be told."""
    command = shutil.which("timedatectl")
    if command is None:
        return None
    try:
        told = subprocess.run(
            [command, "show", "--property", "NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            check=False,
            timeout=2,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(told)


def user_name(uid: int) -> str:
    """Returns the name of a user, its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def may_write(path: Path, uid: int) -> bool:
    """Whether a user may write a file, or make files in a folder, as far as its owner and mode say."""
    found = path.stat()
    needed = 0o3 if stat.S_ISDIR(found.st_mode) else 0o2
    shift = 6 if uid == found.st_uid else 3 if found.st_gid in _groups(uid) else 0
    return uid == 0 or (found.st_mode >> shift) & needed == needed


def _groups(uid: int) -> list[int]:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return []
    return os.getgrouplist(user.pw_name, user.pw_gid)


def _listening(port: int) -> Iterator[tuple[int, str]]:
    """Yields user id and inode of the sockets that listen on a port."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _text(Path(table)).splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                yield int(columns[7]), columns[9]


def _holder(target: str) -> int | None:
    """Returns the process that has a socket open, None when that is not for us to know."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and any(_leads_to(file) == target for file in _entries(process / "fd")):
            return int(process.name)
    return None


def _entries(folder: Path) -> list[Path]:
    """Returns what a process has open: nothing when that is not for us to know, or it has ended."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _leads_to(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # closed in the meantime
        return ""


def _command(pid: int) -> str:
    return _text(Path(f"/proc/{pid}/comm")).strip() or "a program"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
