"""Call cycles, as many as a server can: initiate, incoming, accept, accepted, end, ended, then the pair's next call."""

from typing import Final

from bench.results import Figures
from bench.scenario import ALL, SQLITE, Figure, Scenario, Size, figures_of
from bench.servers import Contestant
from bench.stage import Stage


def size(pairs: int, contestants: tuple[str, ...] = ALL, warmup: float = 2, seconds: float = 6) -> Size:
    """Returns so many pairs that call for so many seconds."""

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        with stage.server(contestant, settings) as server:
            options = ("--pairs", pairs, "--seconds", seconds, "--warmup", warmup)
            return figures_of(stage.load(server, "cycles", *options), per_cpu_second="cycles")

    return Size(
        name=f"{pairs:,} pairs",
        contestants=contestants,
        seconds=warmup + seconds + 1 + pairs / 500,
        settings={"PRESENCE_SCOPE": "off"},
        measure=measure,
    )


SCENARIO: Final = Scenario(
    name="cycles",
    title="Call cycles: each pair one call after the other, as fast as they are answered",
    figures=(
        Figure(key="per_cpu_second", label="cycles per CPU second"),
        Figure(key="per_second", label="cycles/s"),
        Figure(key="p50_ms", label="p50 ms", digits=1),
        Figure(key="p99_ms", label="p99 ms", digits=1),
        Figure(key="server_share", label="server CPU", percent=True),
        Figure(key="load_share", label="load CPU", percent=True),
    ),
    compared=("per_cpu_second",),
    panels=("per_cpu_second", "p99_ms"),
    rounds=5,
    sizes=(size(100, (*ALL, SQLITE, "onlycare-uncompiled")), size(1_000, (*ALL, SQLITE))),
    quick=(size(100, (*ALL, SQLITE), warmup=0.5, seconds=1.5),),
)
