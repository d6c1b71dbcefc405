"""Idle connections: what each costs in memory, and what their heartbeats cost in CPU."""

from time import perf_counter
from typing import Any, Final

from bench.load.crowd import Crowd
from bench.load.loop import Loop
from bench.load.phone import Phone, Server
from bench.load.reports import line
from bench.load.stretch import go_on
from bench.load.usage import Window, resident_bytes

FIRST: Final = 100
"""Users who are there before memory is read: what the first ones make a server load is not the price of one more."""
SETTLE: Final = 1.0
"""Seconds between the last CONNECT and the idle time, and before memory is read the first time."""


def idle(server: Server, connections: int, hold: float, pid: int | None) -> dict[str, Any]:
    """Returns the memory of each connection, and the CPU of the time in which they only answered heartbeats."""
    loop = Loop()
    phones = [Phone(loop, server, number) for number in range(1, connections + 1)]
    first = min(FIRST, connections // 2)
    Crowd(loop, phones[:first]).connect()
    go_on(loop, SETTLE, "settling")
    before = resident_bytes(pid)
    begun = perf_counter()
    Crowd(loop, phones[first:]).connect()
    connecting = perf_counter() - begun
    go_on(loop, SETTLE, "settling")
    connected = resident_bytes(pid)
    line(event="connected", connections=connections)
    heartbeats = sum(phone.heartbeats for phone in phones)
    window = Window(pid)
    go_on(loop, hold, "idle")
    used = window.close()
    after = resident_bytes(pid)
    line(event="idle", **used)
    more = connections - first
    return {
        "connections": connections,
        "connecting_seconds": round(connecting, 3),
        "rss_before_bytes": before,
        "rss_connected_bytes": connected,
        "rss_after_bytes": after,
        "each_kb": round((after - before) / more / 1024, 3) if before and after else None,
        "heartbeats": sum(phone.heartbeats for phone in phones) - heartbeats,
        **used,
    }
