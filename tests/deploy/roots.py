"""Debian roots made with mmdebstrap: other releases than this machine's, and machines to boot.

A root is made once, in build/roots, and kept: whoever writes into one takes a copy or an overlay. Packages come from
where this machine gets its own.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOTS = Path(__file__).parents[2] / "build" / "roots"
_SETTINGS = Path("/etc/apt/apt.conf.d")
_MINUTES = 10
MISSING = "needs root and mmdebstrap: sudo apt install mmdebstrap"


def can_make_roots() -> bool:
    """True when this machine has what `debian_root` needs."""
    return os.geteuid() == 0 and shutil.which("mmdebstrap") is not None


def debian_root(suite: str, packages: Sequence[str]) -> Path:
    """Returns the folder of a root with these packages, never to be written to. Skips the test where none can be made.

    `suite` is a name as bookworm, trixie or testing; a moving one is made anew when its cached root is removed.
    """
    if not can_make_roots():
        pytest.skip(MISSING)
    name = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:12]
    root = ROOTS / f"{suite}-{name}"
    with _alone(root):
        if not root.exists():
            _make(suite, packages, root)
    return root


def _make(suite: str, packages: Sequence[str], root: Path) -> None:
    unfinished = root.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"]
    # A proxy or a certificate that apt needs here is needed in there as well.
    command += [f'--setup-hook=mkdir -p "$1{_SETTINGS}"']
    command += [f'--setup-hook=cp {file} "$1{_SETTINGS}/"' for file in sorted(_SETTINGS.glob("*")) if _of_network(file)]
    done = subprocess.run(
        [*command, suite, str(unfinished)], capture_output=True, text=True, timeout=_MINUTES * 60, check=False
    )
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise AssertionError(f"mmdebstrap could not make a {suite} root:\n{done.stderr[-4000:]}")
    unfinished.rename(root)


def _of_network(file: Path) -> bool:
    return "Acquire::" in file.read_text(encoding="utf-8", errors="replace")


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keeps two test runs from making the same root at once."""
    ROOTS.mkdir(parents=True, exist_ok=True)
    with (ROOTS / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
