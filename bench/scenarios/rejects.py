"""Reject latency at a fixed rate: from the callee's emit to the caller's receipt, and what held the loop up meanwhile.

The load keeps a schedule and does not wait for slow answers, so that a pause is felt by every call that falls into it.
Beside the server, on its core, an event loop with nothing to do measures how late the machine alone makes a loop. The
server's own histograms, read before and after, say how late its loop was, and what garbage collection and sweeps took.
"""

from typing import Any, Final

from bench import histograms
from bench.histograms import Histogram
from bench.results import Figures
from bench.scenario import ALL, BOTH_NODE, SQLITE, Figure, Scenario, Size, figures_of
from bench.servers import Contestant
from bench.stage import Stage

USERS: Final = 400
LAG_INTERVAL_MS: Final = 5
"""How often the lag of a loop is measured, of the empty one and of this server's."""


def size(rate: int, contestants: tuple[str, ...] = BOTH_NODE, warmup: float = 1, seconds: float = 12) -> Size:
    """Returns so many calls a second, each rejected at once."""

    def measure(stage: Stage, contestant: Contestant, settings: dict[str, str]) -> Figures:
        options = ("--rate", rate, "--seconds", seconds, "--warmup", warmup, "--users", USERS)
        figures: Figures = {}
        before: dict[str, Histogram] = {}
        after: dict[str, Histogram] = {}
        tells = contestant.name.startswith("onlycare")
        with stage.server(contestant, settings) as server, stage.empty_loop(LAG_INTERVAL_MS, figures) as begin_anew:

            def begin(_connected: dict[str, Any]) -> None:
                # At the start of the warming up: to write that page takes the server a moment, which is not to be felt.
                begin_anew()
                if tells:
                    before.update(histograms.read(server))

            figures |= figures_of(stage.load(server, "rejects", *options, heard=begin), per_cpu_second="calls")
            if tells:
                after.update(histograms.read(server))
        return figures | _pauses(before, after, figures)

    return Size(
        name=f"{rate:,} calls/s",
        contestants=contestants,
        seconds=warmup + seconds + 1.7,
        settings={"PRESENCE_SCOPE": "off", "LOOP_LAG_MS": str(LAG_INTERVAL_MS)},
        measure=measure,
    )


PAUSES: Final = {
    "gc_pause_seconds": "gc_pause_max_ms",
    "sweep_seconds": "sweep_max_ms",
    "commit_seconds": "commit_max_ms",
}
"""The histograms of what stops the loop, and the figures made of them."""


def _pauses(before: dict[str, Histogram], after: dict[str, Histogram], beside: Figures) -> Figures:
    """Returns, in ms, the largest pause of each kind, and how late the loop was beyond the empty one."""
    during = {name: after[name].since(before[name]) for name in after if name in before}
    figures = {figure: during[name].largest * 1000 for name, figure in PAUSES.items() if name in during}
    if lag := during.get("loop_lag_seconds"):
        figures["lag_p999_ms"] = lag.quantile(0.999) * 1000
        if "empty_lag_p999_ms" in beside:
            figures["lag_less_empty_ms"] = max(0.0, figures["lag_p999_ms"] - beside["empty_lag_p999_ms"])
    return figures


SCENARIO: Final = Scenario(
    name="rejects",
    title="Reject latency at a fixed rate: from the callee's emit to the caller's receipt",
    figures=(
        Figure(key="p50_ms", label="p50 ms", digits=2),
        Figure(key="p99_ms", label="p99 ms", digits=2),
        Figure(key="p999_ms", label="p99.9 ms", digits=1),
        Figure(key="max_ms", label="max ms", digits=1),
        Figure(key="per_cpu_second", label="calls per CPU second"),
        Figure(key="late_p99_ms", label="schedule late, p99 ms", digits=2),
        Figure(key="server_share", label="server CPU", percent=True),
        Figure(key="load_share", label="load CPU", percent=True),
    ),
    inside=(
        Figure(key="lag_p999_ms", label="lag of the loop, p99.9 ms", digits=1),
        Figure(key="empty_lag_p999_ms", label="of an empty loop, p99.9 ms", digits=1),
        Figure(key="lag_less_empty_ms", label="difference, ms", digits=1),
        Figure(key="gc_pause_max_ms", label="longest GC pause, ms", digits=1),
        Figure(key="sweep_max_ms", label="longest sweep, ms", digits=1),
        Figure(key="commit_max_ms", label="longest commit, ms", digits=1),
    ),
    compared=("p99_ms", "per_cpu_second"),
    chart="percentiles",
    panels=("p50_ms", "p99_ms", "p999_ms", "max_ms"),
    rounds=3,
    sizes=(size(200, (*ALL, SQLITE)), size(1_000, (*ALL, SQLITE)), size(3_000, (*BOTH_NODE, SQLITE))),
    quick=(size(1_000, (*BOTH_NODE, SQLITE), warmup=0.5, seconds=1.5),),
)
