"""An event loop with nothing to do: how late it is for a regular task is the machine's doing, not a server's.

    python -m bench.empty_loop --interval-ms 10

Writes a line when it runs. SIGUSR1 makes it forget what it measured so far; at SIGTERM it writes a second line, with
the lag in milliseconds, and ends.
"""

import argparse
import asyncio
import json
import signal
from array import array
from math import ceil

import uvloop


async def measure(interval: float) -> list[float]:
    """Returns how many seconds the loop was late at each turn, in order of size, when SIGTERM has come."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    late = array("d")

    def anew() -> None:
        del late[:]

    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, anew)

    def tick(due: float) -> None:
        now = loop.time()
        late.append(max(0.0, now - due))
        following = max(due + interval, now)
        loop.call_at(following, tick, following)

    first = loop.time() + interval
    loop.call_at(first, tick, first)
    print(json.dumps({"event": "running"}), flush=True)
    await ended.wait()
    return sorted(late)


def main() -> None:
    """Measures until it is told to end, and says what it found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--interval-ms", type=float, default=10.0)
    late = uvloop.run(measure(options.parse_args().interval_ms / 1000))
    if late:
        print(json.dumps({f"empty_lag_{name}_ms": _ms(late, share) for name, share in _SHARES.items()}), flush=True)


_SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}


def _ms(ordered: list[float], share: float) -> float:
    return round(ordered[ceil(share * len(ordered)) - 1] * 1000, 3)


if __name__ == "__main__":
    main()
