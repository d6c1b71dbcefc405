"""The findings for people: one line each, and a line that sums up."""

import textwrap
from collections import Counter
from typing import Any, Final

from msgspec import to_builtins
from rich.console import Console
from rich.text import Text

from onlycare_socket.cli.doctor.finding import Finding, Mark

_STYLES: Final[dict[Mark, str]] = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}
_MARK: Final = 7
_NAME: Final = 19
"""Columns of the longest mark, and of the longest name."""
_NARROW: Final = 60


def write(findings: list[Finding]) -> None:
    """Writes the page to standard output: folded on a terminal, else each finding on a line of its own."""
    console = Console(highlight=False, soft_wrap=True)
    edge = max(console.width, _NARROW) if console.is_terminal else None
    for finding in findings:
        name = f" {finding.name:<{_NAME}} "
        lines = _folded(_sentence(finding), edge, _MARK + len(name))
        console.print(Text.assemble((f"{finding.mark:<{_MARK}}", _STYLES[finding.mark]), (name, "bold"), lines))
    console.print(Text(f"\n{in_short(findings)}"))


def as_fields(findings: list[Finding]) -> dict[str, Any]:
    """Returns the findings for other programs."""
    counts = _counts(findings)
    return {"success": not counts["fail"], "counts": counts, "checks": [to_builtins(finding) for finding in findings]}


def in_short(findings: list[Finding]) -> str:
    """Returns how many checks ended how."""
    return ", ".join(f"{count} {mark}" for mark, count in _counts(findings).items())


def _counts(findings: list[Finding]) -> dict[str, int]:
    counted = Counter(finding.mark for finding in findings)
    return {mark: counted[mark] for mark in _STYLES}


def _sentence(finding: Finding) -> str:
    if not finding.advice:
        return finding.found
    return f"{finding.found}{'' if finding.found.endswith('?') else '.'} To do: {finding.advice}"


def _folded(text: str, edge: int | None, indent: int) -> str:
    if edge is None:
        return text
    return f"\n{' ' * indent}".join(textwrap.wrap(text, edge - indent, break_on_hyphens=False, break_long_words=False))
