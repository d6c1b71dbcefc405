"""A restart in the middle of calls: the server is ended by SIGTERM or SIGKILL, and started again on the same file.

Users come back as in `restart`, their tokens verified by a backend that takes 20 ms. When all are there, both sides of
every call ask for their live calls; one that either of them does not find as it was is lost. Some of the users watch
others, and are to be told next to nothing: nobody left, and nobody came.
"""

import time
import urllib.error
import urllib.request
from typing import Any, Final

from bench.processes import Failed
from bench.results import Figures
from bench.scenario import SQLITE, Figure, Scenario, Size, figures_of
from bench.servers import Contestant, Server
from bench.stage import Stage

HEALTHY: Final = 20.0
"""Seconds that a started server may take to say that it is well."""


def size(users: int, calls: int, *, kill: bool = False, settle: float = 6) -> Size:
    """Returns so many users and calls; with `kill` the server is given no time to do anything more."""

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        starts: Figures = {}
        options = ("--users", users, "--calls", calls, "--settle", settle, "--token-form", "laravel")
        with stage.backend() as url, stage.server(contestant, {**settings, "LARAVEL_API_URL": url}) as server:

            def restart(event: dict[str, Any]) -> None:
                if event["event"] == "connected":
                    server.stop(kill=kill)
                    starts["health_s"] = start(server)

            figures = figures_of(stage.load(server, "survival", *options, heard=restart)) | starts
            figures["new_process_cpu_seconds"] = server.cpu_seconds()
            return figures

    return Size(
        name=f"{users:,} users, {calls:,} calls, {'SIGKILL' if kill else 'SIGTERM'}",
        contestants=(SQLITE,),  # nobody else keeps calls
        seconds=6 + settle + users / 500,
        # A ring is to outlast the restart, and the caller's way back with it.
        settings={"PRESENCE_SCOPE": "watched", "RING_TIMEOUT": "120"},
        measure=measure,
    )


def start(server: Server) -> float:
    """Starts the server; returns the seconds from exec until /health said that all is well. Raises Failed."""
    begun = time.perf_counter()
    server.start()
    while not _well(server):
        if time.perf_counter() > begun + HEALTHY:
            raise Failed(f"/health did not say OK within {HEALTHY:.0f} s of the start")
        time.sleep(0.01)
    return time.perf_counter() - begun


def _well(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


SCENARIO: Final = Scenario(
    name="survival",
    title="Restart with live calls: who is back when, and what was lost",
    figures=(
        Figure(key="lost", label="calls lost"),
        Figure(key="health_s", label="s from exec to /health", digits=2),
        Figure(key="seconds", label="s until all are back", digits=2),
        Figure(key="p99_s", label="p99 s", digits=2),
        Figure(key="presence", label="presence events"),
        Figure(key="new_process_cpu_seconds", label="CPU s of the new process", digits=2),
        Figure(key="load_share", label="load CPU", percent=True),
        Figure(key="backend_share", label="backend CPU", percent=True),
    ),
    compared=(),
    panels=("health_s", "seconds"),
    rounds=3,
    sizes=(size(5_000, 500), size(5_000, 500, kill=True)),
    quick=(size(300, 30, kill=True, settle=1),),
)
