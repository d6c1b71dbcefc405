"""Growth: what a call costs while more and more users are connected who do nothing; it should not cost more."""

from typing import Final

from bench.processes import Failed
from bench.results import Figures
from bench.scenario import BOTH_NODE, Figure, Scenario, Size, figures_of
from bench.servers import Contestant
from bench.stage import Stage

PAIRS: Final = 50
"""As many call at every size."""


def size(users: int, contestants: tuple[str, ...] = BOTH_NODE, warmup: float = 1, seconds: float = 5) -> Size:
    """Returns so many connected users, of whom `PAIRS` pairs call."""

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        options = ("--pairs", PAIRS, "--idle", users - 2 * PAIRS, "--seconds", seconds, "--warmup", warmup)
        with stage.server(contestant, settings) as server:
            figures = figures_of(stage.load(server, "cycles", *options), per_cpu_second="cycles")
        if not figures.get("per_cpu_second"):
            raise Failed("the server took less CPU time than the system counts")
        figures["cpu_us"] = 1e6 / figures["per_cpu_second"]
        return figures

    return Size(
        name=f"{users:,} users",
        contestants=contestants,
        seconds=warmup + seconds + 1 + users / 1_500,
        settings={"PRESENCE_SCOPE": "off"},
        measure=measure,
    )


SCENARIO: Final = Scenario(
    name="growth",
    title="Growth: server CPU of one call cycle, 50 pairs calling, by how many users are connected",
    figures=(
        Figure(key="cpu_us", label="CPU us per cycle", digits=1),
        Figure(key="per_second", label="cycles/s"),
        Figure(key="p99_ms", label="p99 ms", digits=1),
        Figure(key="load_share", label="load CPU", percent=True),
    ),
    compared=("cpu_us",),
    chart="growth",
    panels=("cpu_us",),
    rounds=3,
    sizes=(size(100), size(1_000), size(10_000)),
    quick=(size(100, ("onlycare",), 0.5, 1), size(1_000, ("onlycare",), 0.5, 1)),
)
