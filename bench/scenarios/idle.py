"""Idle connections: the memory of each, the whole process, and the CPU that heartbeats alone take."""

from typing import Final

from bench.results import Figures
from bench.scenario import ALL, BOTH_NODE, Figure, Scenario, Size, figures_of
from bench.servers import Contestant
from bench.stage import Stage

TWO_HEARTBEATS: Final = 50.0
"""Seconds in which every server pings every user twice. In a shorter time there may be no heartbeat at all, so the CPU
of one is no figure."""


def size(users: int, hold: float, contestants: tuple[str, ...] = ALL) -> Size:
    """Returns so many users who do nothing for `hold` seconds but answer heartbeats."""

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        with stage.server(contestant, settings) as server:
            result = stage.load(server, "idle", "--connections", users, "--hold", hold)
            figures = figures_of(result)
            figures["whole_mb"] = server.resident() / 2**20
        if hold < TWO_HEARTBEATS:
            del figures["server_share"], figures["heartbeats"]
        return figures

    return Size(
        name=f"{users:,} users",
        contestants=contestants,
        seconds=hold + 3 + users / 1_200,
        settings={"PRESENCE_SCOPE": "off"},
        measure=measure,
    )


SCENARIO: Final = Scenario(
    name="idle",
    title="Idle authenticated connections",
    figures=(
        Figure(key="each_kb", label="KB each", digits=1),
        Figure(key="whole_mb", label="process MB", digits=0),
        Figure(key="server_share", label="server CPU, idle", digits=2, percent=True),
        Figure(key="heartbeats", label="heartbeats in that time"),
    ),
    compared=("each_kb",),
    panels=("each_kb", "server_share"),
    rounds=2,
    sizes=(size(1_000, 3), size(5_000, TWO_HEARTBEATS), size(15_000, 3)),
    quick=(size(500, 2, BOTH_NODE),),
)
