"""What the deployment's tests share: the wheel of this checkout, and its release on a machine."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .machine import Machine
from .roots import ROOTS

PROJECT = Path(__file__).parents[2]
RELEASE = "/opt/onlycare-socket/releases/test"
COMMAND = "/opt/onlycare-socket/current/bin/onlycare-socket"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, nothing of it compiled: it runs on any Python."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name != "HATCH_BUILD_HOOK_ENABLE_CUSTOM"},
        capture_output=True,
        check=True,
        timeout=120,
    )
    (built,) = folder.glob("*.whl")
    return built


def install(machine: Machine, wheel: Path) -> None:
    """Puts a release where install.sh puts one, with the locked packages and the machine's own Python."""
    packages = _packages(machine)
    if not machine.path(RELEASE).exists():
        machine.put(packages, RELEASE)
    machine.put(wheel, f"/tmp/{wheel.name}")
    machine.run(f"{RELEASE}/bin/pip", "install", "--quiet", "--no-index", "--no-deps", f"/tmp/{wheel.name}")
    machine.run("ln", "-s", RELEASE, "/opt/onlycare-socket/current")


def _packages(machine: Machine) -> Path:
    """Returns a venv with the locked packages, made once for each lock file and Python of a machine."""
    lock = PROJECT / "requirements.txt"
    python = machine.run("python3", "-c", "import sys; print(*sys.version_info[:3], sep='.')").stdout.strip()
    kept = ROOTS / f"packages-{python}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not kept.exists():
        machine.use_registries()
        machine.put(lock, "/tmp/requirements.txt")
        machine.run("python3", "-m", "venv", RELEASE)
        pip = [f"{RELEASE}/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        machine.run(*pip, "-r", "/tmp/requirements.txt", timeout=600, host_network=True)
        unfinished = kept.with_name(f"{kept.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(machine.path(RELEASE), unfinished, symlinks=True)
        unfinished.rename(kept)
    return kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With REQUIRE_ALL_LANES=1 a run fails that skipped a test because a program is missing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    missing = any("apt install" in str(report.longrepr) for report in skipped)
    if os.environ.get("REQUIRE_ALL_LANES") == "1" and missing and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
