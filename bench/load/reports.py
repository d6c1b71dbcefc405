"""What the load says on its standard output: one JSON object a line."""

import json
from time import perf_counter
from typing import Any, Final

EVERY: Final = 0.2
"""Seconds between two lines of progress."""


class Unexpected(Exception):
    """Something came that should not have; its text is the sentence that ends the run."""


def line(**fields: Any) -> None:
    """Writes one line, at once."""
    print(json.dumps(fields), flush=True)


class Progress:
    """Says how far a piece of work is, now and then."""

    def __init__(self, what: str, total: float) -> None:
        self._what, self._total = what, total
        self._due = 0.0

    def at(self, done: float) -> None:
        """Says so, unless it was said just now."""
        now = perf_counter()
        if now >= self._due or done >= self._total:
            self._due = now + EVERY
            line(progress=round(min(done / self._total, 1.0), 3) if self._total else 1.0, what=self._what)
