"""Room for many connections: the limit of open files."""

import resource
from typing import Final

from bench.load.reports import Unexpected

BESIDE: Final = 50
"""Open files that are no connections."""


def room_for(connections: int) -> None:
    """Raises the limit as far as the system lets. Raises Unexpected when so many connections do not fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = connections + BESIDE
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise Unexpected(
            f"{connections} connections need {needed} open files, and the hard limit is {hard}: raise it (ulimit -Hn)"
        )
