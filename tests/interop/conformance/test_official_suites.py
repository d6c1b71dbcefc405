"""The official suites of both protocols, where somebody has put them; README.md says how to obtain them.

They are other people's work and not part of this repository: the other modules of this folder cover the same cases
in our own words. The suites know one address only, so they run from a copy that names the server under test.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = pytest.mark.interop

ADDRESS_IN_SUITE: Final = "http://localhost:3000"
SUITES: Final = [("ENGINEIO_SUITE", 25), ("SOCKETIO_SUITE", 32)]


@pytest.mark.parametrize(("variable", "cases"), SUITES)
def test_every_case_of_an_official_suite_passes(variable: str, cases: int, protocol_app: str, tmp_path: Path) -> None:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} names no folder with the official suite (tests/interop/README.md)")
    packages = _packages(Path(folder).resolve())
    for source in Path(folder).glob("*.js"):
        text = source.read_text(encoding="utf-8").replace(ADDRESS_IN_SUITE, protocol_app)
        (tmp_path / source.name).write_text(text, encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(packages)

    report = _mocha(packages, tmp_path)
    failed = [f"{case['fullTitle']}: {case['err'].get('message')}" for case in report["failures"]]
    assert not failed, "\n".join(failed)
    assert (report["stats"]["passes"], report["stats"]["tests"]) == (cases, cases)


def _packages(folder: Path) -> Path:
    """Returns the nearest node_modules, in the suite's folder or above it, that has mocha in it."""
    for place in (folder, *folder.parents):
        if (place / "node_modules" / "mocha").is_dir():
            return place / "node_modules"
    raise AssertionError(f"run `npm install` in {folder}: mocha is not there")


def _mocha(packages: Path, directory: Path) -> Any:
    node = shutil.which("node")
    assert node is not None, "the official suites need node"
    run = [node, str(packages / "mocha" / "bin" / "mocha"), "--reporter", "json", "--exit", "test-suite.js"]
    done = subprocess.run(run, cwd=directory, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip(), done.stderr
    return json.loads(done.stdout)
