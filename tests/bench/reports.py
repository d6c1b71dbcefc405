"""Reports made by hand, to be shown, judged and drawn."""

from bench.machine import Machine, Python
from bench.results import Case, Outcome, Report, Row, Run

MACHINE = Machine(
    cpu="Test CPU",
    cores=2,
    server_cores=[0],
    memory_mb=4096,
    kernel="6.1.0",
    load_average=0.1,
    file_limit=20_000,
    python=Python("CPython 3.11.2", True, {"uvloop": "0.23.0", "uvicorn": None}, True),
    node="v20.20.2",
    socket_io="4.8.3",
    revision="abc1234",
)


def row(contestant: str, *rounds: dict[str, float] | str) -> Row:
    """Returns the runs of a contestant: figures, or why there are none."""
    runs = [
        Run(number, failure=found) if isinstance(found, str) else Run(number, found)
        for number, found in enumerate(rounds, start=1)
    ]
    return Row(contestant, {"PORT": "1"}, runs)


def outcome(scenario: str, **cases: list[Row]) -> Outcome:
    """Returns what a scenario found; a case's name is given as `pairs_100` for `100 pairs`."""
    named = {f"{int(name.partition('_')[2]):,} {name.partition('_')[0]}": rows for name, rows in cases.items()}
    return Outcome(scenario, [Case(name, rows) for name, rows in named.items()])


def report(*outcomes: Outcome, quick: bool = False) -> Report:
    """Returns a whole report."""
    return Report(taken="2026-01-02T03:04:05+00:00", quick=quick, machine=MACHINE, scenarios=list(outcomes))


def cycles(*per_cpu_second: tuple[float, float, float], load_share: float = 0.5) -> Outcome:
    """Returns cycles of 100 pairs: for each round, of this server and of both Node ones."""

    def of(contestant: str, at: int) -> Row:
        rounds = [{"per_cpu_second": one[at], "p99_ms": 1.0, "load_share": load_share} for one in per_cpu_second]
        return row(contestant, *rounds)

    return outcome("cycles", pairs_100=[of("onlycare", 0), of("node-relay", 1), of("node-rules", 2)])
