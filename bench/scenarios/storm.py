"""A connect storm: users connect as fast as they can, and a backend that takes 20 ms verifies each."""

from typing import Final

from bench.results import Figures
from bench.scenario import WITH_RULES, Figure, Scenario, Size, figures_of
from bench.servers import Contestant
from bench.stage import Stage


def size(users: int, contestants: tuple[str, ...] = WITH_RULES, *, polling: bool = False) -> Size:
    """Returns so many users, none of whom the server has seen before.

    With `polling` they come as the Android app does: with long polling first, then an upgrade to WebSocket.
    """
    options = ("--users", users, "--token-form", "laravel", *(("--polling",) if polling else ()))

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        with stage.backend() as url, stage.server(contestant, {**settings, "LARAVEL_API_URL": url}) as server:
            result = stage.load(server, "storm", *options)
            return figures_of(result, per_cpu_second="connects")

    return Size(
        name=f"{users:,} users" + (", polling first" if polling else ""),
        contestants=contestants,
        seconds=1.5 + users / (300 if polling else 700),
        settings={"PRESENCE_SCOPE": "watched"},
        measure=measure,
    )


SCENARIO: Final = Scenario(
    name="storm",
    title="Connect storm: every token is verified by a backend that takes 20 ms",
    figures=(
        Figure(key="per_cpu_second", label="connects per CPU second"),
        Figure(key="per_second", label="connects/s"),
        Figure(key="p50_ms", label="p50 ms", digits=1),
        Figure(key="p99_ms", label="p99 ms", digits=1),
        Figure(key="server_share", label="server CPU", percent=True),
        Figure(key="load_share", label="load CPU", percent=True),
        Figure(key="backend_share", label="backend CPU", percent=True),
    ),
    compared=("per_cpu_second",),
    panels=("per_cpu_second", "per_second"),
    rounds=5,
    sizes=(size(5_000), size(5_000, polling=True)),
    quick=(size(300),),
)
