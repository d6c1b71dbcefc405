"""How long calls rang, by the server's clock and by the phones', and how long they may.

The deadline of a ring is a moment: time in which the server could not act does not move it. What passed meanwhile is
due within a second after it can act again.
"""

from collections.abc import Iterator
from typing import Final

from .evidence import Row, answered
from .record import Run

LATE: Final = 1.0
"""Seconds after its deadline by which a ring must be over."""
_ROUNDING: Final = 0.01
"""Seconds: times are whole ms, and two clocks are read one after the other."""
_TIMED_OUT: Final = ("no_answer", "unreachable")


def latest_end(run: Run, started: float) -> float:
    """Returns when a ring that began then must be over, as a time of the record."""
    due = started + run.facts.ring_timeout
    latest = due + LATE
    for begin, end in outages(run):
        if begin < latest and end > due:
            latest = max(latest, end + LATE)
    return latest


def outages(run: Run) -> list[tuple[float, float]]:
    """Returns the times in which the server could not act, by their end: outages, and stalls of the whole machine.

    An outage that never ended lasts until the record does.
    """
    found: list[tuple[float, float]] = []
    begin: float | None = None
    for entry in run.entries:
        if entry.what == "outage" and begin is None:
            begin = entry.at
        elif entry.what == "over" and begin is not None:
            found.append((begin, entry.at))
            begin = None
        elif entry.what == "stall":
            found.append((entry.at - entry.body["seconds"], entry.at))
    if begin is not None:
        found.append((begin, run.entries[-1].at))
    return found


def longest_stall(run: Run) -> float:
    """Returns for how many seconds at a time the machine stood still, at the most."""
    return max((entry.body["seconds"] for entry in run.entries if entry.what == "stall"), default=0.0)


def ring_times(run: Run, finals: dict[str, Row]) -> Iterator[tuple[str, str]]:
    """Returns the calls that rang for too short or too long a time, with the words for it."""
    if not run.facts.wall_jumps:
        yield from _by_the_server(run, finals)
    yield from _by_the_phones(run)


def _by_the_server(run: Run, finals: dict[str, Row]) -> Iterator[tuple[str, str]]:
    timeout = run.facts.ring_timeout
    for row in finals.values():
        if row.ended is None or row.accepted is not None:
            continue
        started, ended = row.started / 1000 - run.facts.wall, row.ended / 1000 - run.facts.wall
        latest = latest_end(run, started)
        if row.code in _TIMED_OUT and ended - started < timeout - _ROUNDING:
            yield row.call, f"timed out after {ended - started:.3f} s of {timeout:.0f}"
        elif ended > latest + _ROUNDING:
            yield row.call, f"rang for {ended - started:.3f} s: {ended - latest:.3f} s too long ({row.code})"


def _by_the_phones(run: Run) -> Iterator[tuple[str, str]]:
    """Dialled before the server rang, and told after it ended: what phones see bounds its times from both sides."""
    dialled: dict[str, float] = {}
    acked: dict[str, float] = {}
    for each in answered(run):
        if each.sent.event == "call:initiate":
            dialled.setdefault(each.sent.call, each.sent.at)
            acked.setdefault(each.sent.call, each.ack.at)
    heard: set[str] = set()
    for entry in run.entries:
        if entry.what != "told" or entry.body.get("code") not in _TIMED_OUT or entry.call in heard:
            continue
        heard.add(entry.call)
        if entry.call not in dialled:
            continue
        rang = entry.at - dialled[entry.call]
        if rang < run.facts.ring_timeout - _ROUNDING:
            yield entry.call, f"was told to have timed out {rang:.3f} s after it was dialled"
        late = entry.at - latest_end(run, acked[entry.call]) - run.facts.slack
        if run.facts.wall_jumps and late > 0:
            yield entry.call, f"was told to have timed out {late:.3f} s too late"
