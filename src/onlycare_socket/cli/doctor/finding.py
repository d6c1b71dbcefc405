"""What one check found: a mark, a sentence, and what to do about it."""

from typing import Literal

from msgspec import Struct

Mark = Literal["ok", "warn", "fail", "skipped"]

MOST_SHOWN = 120
"""Characters of foreign text in a sentence at the most."""


class Finding(Struct, frozen=True, omit_defaults=True):
    """The outcome of one check."""

    name: str
    mark: Mark
    found: str
    advice: str = ""
    """What to do; empty when all is well."""


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(name, "ok", found)


def warn(name: str, found: str, advice: str) -> Finding:
    """It works, but somebody should look at it."""
    return Finding(name, "warn", found, advice)


def fail(name: str, found: str, advice: str) -> Finding:
    """It does not work, or it is not safe."""
    return Finding(name, "fail", found, advice)


def skipped(name: str, found: str, advice: str) -> Finding:
    """It could not be checked."""
    return Finding(name, "skipped", found, advice)


def shown(text: object) -> str:
    """Returns foreign text fit for a terminal: one line, nothing that steers, not long."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text)[: MOST_SHOWN + 1])
    return plain if len(plain) <= MOST_SHOWN else f"{plain[:MOST_SHOWN]}..."
