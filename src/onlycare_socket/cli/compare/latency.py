"""How long a ring and a reject take on a server, in the middle of a few rounds."""

import time
from statistics import median

from onlycare_socket.cli.compare.moves import REJECT_WITHIN
from onlycare_socket.cli.compare.people import Role
from onlycare_socket.cli.compare.records import Latency
from onlycare_socket.cli.compare.stage import Stage


async def measure(stage: Stage, rounds: int) -> Latency:
    """Returns the medians in ms; of what did not come, nothing."""
    rings: list[float] = []
    rejects: list[float] = []
    for _ in range(rounds):
        await _round(stage, rings, rejects)
    return Latency(median(rings) if rings else None, median(rejects) if rejects else None)


async def _round(stage: Stage, rings: list[float], rejects: list[float]) -> None:
    stage.names.next_story()
    try:
        await _ring_and_reject(stage, rings, rejects)
    finally:
        await stage.tidy()


async def _ring_and_reject(stage: Stage, rings: list[float], rejects: list[float]) -> None:
    await stage.connect(Role.CALLER)
    await stage.connect(Role.RECEIVER)
    begun = time.perf_counter()
    await stage.ring()
    rang = await stage.hear(Role.RECEIVER, "call:incoming", begun, within=1.0)
    if rang is None:
        return
    rings.append((rang - begun) * 1000)
    begun = time.perf_counter()
    await stage.emit(Role.RECEIVER, "call:reject", ({"callId": "<call>"},))
    rejected = await stage.hear(Role.CALLER, "call:rejected", begun, within=REJECT_WITHIN)
    if rejected is not None:
        rejects.append((rejected - begun) * 1000)
