"""What is compiled for production, and that the build under test is what it is taken for."""

import ast
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

import hatch_build
import onlycare_socket
from onlycare_socket.compiled import COMPILED

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src" / "onlycare_socket"
NOT_WORTH_IT: Final = {
    "calls/__init__.py": "empty",
    "calls/errors.py": "words",
    "calls/restart.py": "runs once, at the start",
    "calls/timeline.py": "no call waits for it: the HTTP API prints with it",
}
"""What could be compiled of the rules, and is not."""


def tree(module: str) -> ast.Module:
    return ast.parse((SOURCE / module).read_text())


def bases(module: str) -> set[str]:
    """Returns the names of everything that classes of a module are made from."""
    return {
        ast.unparse(base) for node in ast.walk(tree(module)) if isinstance(node, ast.ClassDef) for base in node.bases
    }


def structs() -> set[str]:
    """Returns the names of all classes that are Structs, by whichever way."""
    classes = [
        (node.name, {ast.unparse(base) for base in node.bases})
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    found = {"Struct", "msgspec.Struct"}
    while more := {name for name, bases in classes if bases & found} - found:
        found |= more
    return found


def name_of(module: str) -> str:
    return "onlycare_socket." + module.removesuffix(".py").replace("/", ".")


def test_every_module_is_named_once_and_exists() -> None:
    assert list(hatch_build.COMPILED) == sorted(set(hatch_build.COMPILED))
    assert [module for module in hatch_build.COMPILED if not (SOURCE / module).is_file()] == []


@pytest.mark.parametrize("module", hatch_build.COMPILED)
def test_nothing_is_compiled_that_mypyc_would_change(module: str) -> None:
    assert bases(module) & structs() == set()
    assert [node.name for node in ast.walk(tree(module)) if isinstance(node, ast.AsyncFunctionDef)] == []


def test_all_of_the_rules_that_can_be_compiled_is() -> None:
    rules = {str(path.relative_to(SOURCE)) for path in (SOURCE / "calls").glob("*.py")}
    plain = {module for module in rules if not bases(module) & structs()}
    assert plain - set(hatch_build.COMPILED) == set(NOT_WORTH_IT)


def test_this_is_the_build_that_was_asked_for() -> None:
    """`make test-compiled` says what it wants, so that it cannot test a checkout by mistake."""
    assert os.environ.get("EXPECT_COMPILED") in (None, str(int(COMPILED)))


@pytest.mark.parametrize("module", hatch_build.COMPILED)
def test_a_build_is_compiled_as_a_whole(module: str) -> None:
    found = find_spec(name_of(module))
    assert found is not None
    assert (found.origin or "").endswith(".so" if COMPILED else ".py")


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here")
def test_the_libraries_need_nothing_of_the_machine_that_built_them() -> None:
    package = Path(onlycare_socket.__path__[0])
    libraries = [*package.rglob("*.so"), *package.parent.glob("onlycare_socket__mypyc*.so")]
    assert len(libraries) == len(hatch_build.COMPILED) + 1
    paths = {f"{folder}/" for folder in (ROOT, sys.base_prefix, tempfile.gettempdir())}
    runtime = "librt"  # mypyc's own package, which production does not install
    for library in libraries:
        data = library.read_bytes()
        assert [word for word in (*paths, runtime) if word.encode() in data] == [], library.name
