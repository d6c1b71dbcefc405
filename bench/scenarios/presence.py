"""Presence: users come one after another, and everybody who is there is told of each."""

from typing import Final

from bench.results import Figures
from bench.scenario import ALL, BOTH_NODE, Figure, Scenario, Size, figures_of
from bench.servers import Contestant
from bench.stage import Stage


def size(listeners: int, comings: int, contestants: tuple[str, ...] = ALL) -> Size:
    """Returns so many users who are told of so many."""

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        with stage.server(contestant, settings) as server:
            options = ("--listeners", listeners, "--comings", comings)
            return figures_of(stage.load(server, "presence", *options), per_cpu_second="deliveries")

    return Size(
        name=f"{listeners:,} listeners",
        contestants=contestants,
        seconds=1.5 + listeners / 500 + listeners * comings / 60_000,
        settings={"PRESENCE_SCOPE": "all", "PRESENCE_ALL_LIMIT": "1000000"},
        measure=measure,
    )


SCENARIO: Final = Scenario(
    name="presence",
    title="Presence: everybody is told of every user who comes",
    figures=(
        Figure(key="per_cpu_second", label="deliveries per CPU second"),
        Figure(key="per_second", label="deliveries/s"),
        Figure(key="p50_ms", label="p50 ms", digits=1),
        Figure(key="p99_ms", label="p99 ms", digits=1),
        Figure(key="server_share", label="server CPU", percent=True),
        Figure(key="load_share", label="load CPU", percent=True),
    ),
    compared=("per_cpu_second",),
    panels=("per_cpu_second", "p99_ms"),
    rounds=3,
    sizes=(size(1_000, 300),),
    quick=(size(200, 50, BOTH_NODE),),
)
