"""The rules of the house that no linter knows: what may import what, names, and what is committed."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "onlycare_socket"
MODULES = sorted(SOURCE.rglob("*.py"))
IMPURE = {"asyncio", "socket", "time", "random", "os", "secrets", "logging", "threading", "select", "ssl", "subprocess"}
SAID_TO_NOBODY = {"utils", "util", "helpers", "helper", "manager", "service", "base", "common", "misc"}


def imports(path: Path) -> set[str]:
    """Returns the names of all modules that a file imports, wherever it does."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            names.add(node.module or "")
    return names


def committed() -> list[Path]:
    """Returns every committed file, and every new one that is not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name in ("calls", "wire")], ids=relative)
def test_the_core_is_pure(path: Path) -> None:
    layer = f"onlycare_socket.{path.parent.name}"
    for name in imports(path):
        package = name.partition(".")[0]
        if package == "onlycare_socket":
            assert name.startswith(layer), f"{name} is outside {layer}"
        else:
            assert package == "msgspec" or package in sys.stdlib_module_names
            assert package not in IMPURE


def test_only_the_composition_root_names_adapters() -> None:
    """`app.py` chooses them; the command line makes tokens of the development adapter."""
    outside = [p for p in MODULES if "adapters" not in p.parts and p.name not in ("app.py", "tokens.py", "backup.py")]
    naming = {
        (relative(path), name)
        for path in outside
        for name in imports(path)
        if name.startswith("onlycare_socket.adapters.")
    }
    assert naming == set()


def test_no_module_is_named_after_nothing() -> None:
    named = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    assert named & SAID_TO_NOBODY == set()


def test_no_name_of_a_package_registry_or_of_one_machine_is_committed() -> None:
    hosts = ("registry.npm" + "js", "pypi." + "org", "python" + "hosted", "maven" + ".org", "repo1." + "maven")
    folders = ("/work" + "/", "/tmp" + "/plan", "/root" + "/")
    found = [
        (relative(path), word)
        for path in committed()
        for word in (*hosts, *folders)
        if word in path.read_bytes().decode("utf-8", "replace")
    ]
    assert found == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_its_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) > 20
    assert [package.splitlines()[0] for package in packages if "--hash=sha256:" not in package] == []
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name, wanted in (
        ("requirements.txt", project["project"]["dependencies"]),
        ("requirements-dev.txt", project["dependency-groups"]["dev"] + project["build-system"]["requires"]),
    ):
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / name).read_text(), re.MULTILINE))
        asked = {re.split(r"[\[=<>~!]", requirement)[0].lower() for requirement in wanted}
        assert asked - locked == set()


def test_every_make_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    documented = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    assert phony == documented
    assert {"help", "setup", "run", "test", "check", "lint", "format", "screenshots", "lock", "clean"} <= documented


def test_npm_locks_name_no_download_address() -> None:
    locks = [path for path in committed() if path.name == "package-lock.json"]
    assert [relative(path) for path in locks if '"resolved"' in path.read_text()] == []
    assert locks


def test_scripts_are_executable() -> None:
    scripts = [path for path in committed() if path.read_bytes().startswith(b"#!")]
    assert [relative(path) for path in scripts if not path.stat().st_mode & 0o111] == []
    assert {ROOT / ".ci" / "run", ROOT / "tests" / "run"} <= set(scripts)


def test_links_in_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_names_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)) <= targets
