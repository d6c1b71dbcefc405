"""Whether the clock of this machine is right: calls carry the backend's time, and are refused when they look old."""

import asyncio
from email.utils import parsedate_to_datetime
from typing import Final

from onlycare_socket.cli.doctor import machine
from onlycare_socket.cli.doctor.exchange import Answer, Trouble
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, skipped, warn

STALE: Final = 45.0
"""Seconds after which a call's id or timestamp counts as stale (contract section 2)."""
CLOSE: Final = 5.0
"""Seconds that a clock kept by a time service never is off; a Date header counts whole ones."""


async def clock(backend: Answer | Trouble | None) -> Finding:
    """Compares with an answer of Laravel's, if there is one, and asks systemd whether the clock is kept."""
    name = "clock"
    kept = await asyncio.to_thread(machine.clock_is_kept)
    apart = _apart(backend) if isinstance(backend, Answer) else None
    found = "; ".join(filter(None, (_of_laravel(apart), _of_systemd(kept))))
    if apart is not None and abs(apart) >= STALE - CLOSE:
        return fail(
            name, f"{found}: calls are refused as stale from {STALE:g} s on", "set both: `timedatectl set-ntp true`"
        )
    if apart is not None and abs(apart) > CLOSE:
        return warn(name, found, "let a time service keep both clocks: `timedatectl set-ntp true`")
    if kept is False:
        return warn(name, found, "let a time service keep it: `timedatectl set-ntp true`; the host's, in a container")
    if not found:
        return skipped(name, "neither Laravel nor systemd tells the time", "see that a time service runs")
    return ok(name, found)


def _of_laravel(apart: float | None) -> str:
    if apart is None:
        return ""
    if abs(apart) <= CLOSE:
        return "it agrees with Laravel's"
    return f"Laravel's is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}"


def _of_systemd(kept: bool | None) -> str:
    return {True: "a time service keeps it", False: "no time service keeps it", None: ""}[kept]


def _apart(answer: Answer) -> float | None:
    """Returns by how many seconds the other clock is ahead of this one."""
    try:
        there = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return there + 0.5 - answer.came  # the header leaves out the fraction of a second
