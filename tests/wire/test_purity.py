"""The wire may be read, tested and reused without a socket: it imports nothing that does I/O."""

import ast
from pathlib import Path

import onlycare_socket.wire

ALLOWED = {"binascii", "collections.abc", "enum", "json", "math", "msgspec", "re", "typing"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
    return names


def test_the_wire_imports_only_the_standard_library_msgspec_and_itself() -> None:
    files = sorted(Path(onlycare_socket.wire.__path__[0]).glob("*.py"))
    assert len(files) >= 5
    for path in files:
        foreign = {name for name in imported(path) if not name.startswith("onlycare_socket.wire")} - ALLOWED
        assert not foreign, f"{path.name} imports {foreign}"
