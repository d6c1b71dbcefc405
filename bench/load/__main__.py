"""Puts a load on a Socket.IO server of this machine, and says in JSON lines what came of it.

    python -m bench.load cycles --port 3001 --pid 4711 --pairs 100 --seconds 5

While it works it writes {"progress": 0.0 to 1.0, "what": "..."}; the last line is {"result": {...}}, or
{"error": "..."} with status 1. With --pid, the CPU time of that process and its children is
read at the ends of the measured time.
"""

import argparse
import gc
import sys
from collections.abc import Callable
from typing import Any

from bench.load.crowd import CONCURRENCY
from bench.load.cycles import Cycles
from bench.load.files import room_for
from bench.load.idle import idle
from bench.load.phone import Server
from bench.load.presence import Presence
from bench.load.rejects import Rejects
from bench.load.reports import Unexpected, line
from bench.load.restart import restart
from bench.load.storm import storm
from bench.load.survival import Survival

Result = dict[str, Any]


def cycles(given: argparse.Namespace) -> Result:
    """Call cycles in a closed loop."""
    room_for(2 * given.pairs + given.idle)
    return Cycles(server(given), given.pairs, given.idle).run(given.seconds, given.warmup, given.pid)


def rejects(given: argparse.Namespace) -> Result:
    """Calls at a fixed rate, each rejected at once."""
    room_for(given.users)
    return Rejects(server(given), given.users, given.rate).run(given.seconds, given.warmup, given.pid)


def idle_time(given: argparse.Namespace) -> Result:
    """Connected users who do nothing but answer heartbeats."""
    room_for(given.connections)
    return idle(server(given), given.connections, given.hold, given.pid)


def users_come_back(given: argparse.Namespace) -> Result:
    """Users who lose the server and come back by themselves; somebody else restarts it."""
    room_for(given.users)
    return restart(server(given), given.users, given.pid)


def calls_survive(given: argparse.Namespace) -> Result:
    """The same in the middle of calls, and a count of those that are lost."""
    room_for(given.users)
    return Survival(server(given), given.users, given.calls).run(given.settle, given.pid)


def presence(given: argparse.Namespace) -> Result:
    """Users who come online one after the other, of each of whom all are told."""
    room_for(given.listeners + given.comings)
    return Presence(server(given), given.listeners, given.comings).run(given.pid)


def connect_storm(given: argparse.Namespace) -> Result:
    """Users who connect as fast as the server takes them."""
    room_for(given.users + 2 * given.concurrency * given.polling)
    return storm(server(given), given.users, given.concurrency, given.polling, given.pid)


def server(given: argparse.Namespace) -> Server:
    """Returns where to connect to, and as whom."""
    return Server(given.port, given.token_form)


def arguments() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    scenarios = parser.add_subparsers(metavar="SCENARIO", required=True)

    def scenario(name: str, run: Callable[[argparse.Namespace], Result]) -> argparse.ArgumentParser:
        one = scenarios.add_parser(name, help=run.__doc__, description=run.__doc__)
        one.add_argument("--port", type=int, required=True, help="where the server listens, on 127.0.0.1")
        one.add_argument("--pid", type=int, help="the server's process, whose CPU time is read")
        one.add_argument("--token-form", choices=["dev", "laravel"], default="dev", help="dev:ID or ID|bench-secret")
        one.set_defaults(run=run)
        return one

    def timed(one: argparse.ArgumentParser) -> None:
        one.add_argument("--seconds", type=float, default=5.0, help="measured time (%(default)s)")
        one.add_argument("--warmup", type=float, default=1.0, help="seconds before it (%(default)s)")

    one = scenario("cycles", cycles)
    one.add_argument("--pairs", type=int, default=100, help="users who call each other, two a pair (%(default)s)")
    one.add_argument("--idle", type=int, default=0, help="users more who are connected and do nothing")
    timed(one)
    one = scenario("rejects", rejects)
    one.add_argument("--rate", type=float, default=1000.0, help="calls a second (%(default)s)")
    one.add_argument("--users", type=int, default=400, help="users who call each other, two a pair (%(default)s)")
    timed(one)
    one = scenario("idle", idle_time)
    one.add_argument("--connections", type=int, default=1000, help="(%(default)s)")
    one.add_argument("--hold", type=float, default=10.0, help="seconds that they do nothing (%(default)s)")
    one = scenario("restart", users_come_back)
    one.add_argument("--users", type=int, default=1000, help="(%(default)s)")
    one = scenario("survival", calls_survive)
    one.add_argument("--users", type=int, default=1000, help="(%(default)s)")
    one.add_argument("--calls", type=int, default=100, help="live calls, half of them accepted (%(default)s)")
    one.add_argument("--settle", type=float, default=6.0, help="seconds between the return and the count (%(default)s)")
    one = scenario("presence", presence)
    one.add_argument("--listeners", type=int, default=1000, help="users who are told (%(default)s)")
    one.add_argument("--comings", type=int, default=100, help="users of whom they are told (%(default)s)")
    one = scenario("storm", connect_storm)
    one.add_argument("--users", type=int, default=1000, help="(%(default)s)")
    one.add_argument("--concurrency", type=int, default=CONCURRENCY, help="handshakes under way (%(default)s)")
    one.add_argument("--polling", action="store_true", help="as the Android app: long polling, then an upgrade")
    return parser


def main() -> int:
    """Runs what the command line asks for; returns the exit status."""
    given = arguments().parse_args()
    # Nothing here makes cycles that matter in a run's time, and a collection among tens of thousands of phones would
    # show as a latency of the server.
    gc.disable()
    try:
        line(result=given.run(given))
    except Unexpected as failure:
        line(error=str(failure))
        return 1
    except KeyboardInterrupt:
        line(error="stopped by hand")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
