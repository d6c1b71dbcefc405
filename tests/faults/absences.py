"""Whether a call that ended for a lost connection ended rightly: whoever it waited for was away for the whole grace."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from .evidence import Row
from .record import Run

_FOR_EVER: Final = float("inf")


def connected(run: Run) -> dict[str, list[tuple[float, float]]]:
    """Returns when the phones of each user were connected, as they saw it: (from, until).

    A connection ends with the process at its other end, also when the phone has not noticed yet.
    """
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    since: dict[tuple[str, str], float] = {}
    for entry in run.entries:
        if entry.what == "up":
            since[entry.user, entry.device] = entry.at
        elif entry.what == "down":
            if (begin := since.pop((entry.user, entry.device), None)) is not None:
                found[entry.user].append((begin, entry.at))
        elif entry.what == "killed":
            for (user, _), begin in since.items():
                found[user].append((begin, entry.at))
            since.clear()
    for (user, _), begin in since.items():
        found[user].append((begin, _FOR_EVER))
    return found


def cut_off(run: Run, finals: dict[str, Row]) -> Iterator[tuple[str, str]]:
    """Returns the calls that were given up while somebody who could have gone on with them was connected.

    A ring waits for its caller, an accepted call for either party. What the server and a phone see of a connection
    differs by the slack of the run at the most.
    """
    if run.facts.wall_jumps:
        return
    there = connected(run)
    for row in finals.values():
        if row.code != "connection_lost" or row.ended is None:
            continue
        rang = row.accepted is None
        parties = [row.caller] if rang else [row.caller, row.receiver]
        grace = run.facts.caller_grace if rang else run.facts.call_grace
        end = row.ended / 1000 - run.facts.wall
        for user in parties:
            for begin, until in there[user]:
                if min(until, end - run.facts.slack) > max(begin, end - grace + run.facts.slack):
                    yield row.call, f"given up at {end:.2f}, while {user} was connected from {begin:.2f} to {until:.2f}"
