"""A restart under users: the server is ended as an operator ends it, started again, and all come back by themselves.

They wait as the Socket.IO clients do before they try again (1 s, doubled up to 5 s, half of it at random), and each
token is verified anew by a backend that takes 20 ms. The clock runs from the first lost connection to the last that is
back.
"""

from typing import Any, Final

from bench.results import Figures
from bench.scenario import SQLITE, WITH_RULES, Figure, Scenario, Size, figures_of
from bench.servers import Contestant
from bench.stage import Stage


def size(users: int, contestants: tuple[str, ...] = WITH_RULES, drain: str = "") -> Size:
    """Returns so many users; `drain` is the time over which this server closes connections, if not its default."""

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        with stage.backend() as url, stage.server(contestant, {**settings, "LARAVEL_API_URL": url}) as server:

            def restart(event: dict[str, Any]) -> None:
                if event["event"] == "connected":
                    server.stop()
                    server.start()

            result = stage.load(server, "restart", "--users", users, "--token-form", "laravel", heard=restart)
            figures = figures_of(result)
            figures["new_process_cpu_seconds"] = server.cpu_seconds()
            return figures

    return Size(
        name=f"{users:,} users" + (f", closed within {drain} s" if drain else ""),
        contestants=contestants,
        seconds=6 + users / 500,
        settings={"PRESENCE_SCOPE": "watched", **({"DRAIN_SPREAD": drain} if drain else {})},
        measure=measure,
    )


SCENARIO: Final = Scenario(
    name="restart",
    title="Restart: seconds until everybody is back",
    figures=(
        Figure(key="seconds", label="s until all are back", digits=2),
        Figure(key="p50_s", label="p50 s", digits=2),
        Figure(key="p99_s", label="p99 s", digits=2),
        Figure(key="attempts", label="attempts"),
        Figure(key="new_process_cpu_seconds", label="CPU s of the new process", digits=2),
        Figure(key="load_share", label="load CPU", percent=True),
        Figure(key="backend_share", label="backend CPU", percent=True),
    ),
    compared=("seconds",),
    panels=("seconds", "new_process_cpu_seconds"),
    rounds=3,
    sizes=(size(10_000, (*WITH_RULES, SQLITE)), size(10_000, drain="0.5")),
    quick=(size(300),),
)
