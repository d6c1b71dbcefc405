"""Every scenario of the load, as its own process, for a moment against this server: do its counts agree with ours?"""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.in_process import SECRET, InProcess

ROOT = Path(__file__).parents[2]
PATIENCE = 30
"""Seconds after which a load that does not end is a failure: a limit for broken ones, not a measure."""


class Load:
    """A running load and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.progress: list[float] = []

    @classmethod
    async def start(cls, server: InProcess, scenario: str, *options: object) -> "Load":
        """Starts a scenario against a server."""
        arguments = (scenario, "--port", server.application.port, "--pid", os.getpid(), *options)
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.load", *map(str, arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
            )
        )

    async def next(self) -> dict[str, Any]:
        """Returns the next line that is not about progress."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                text = await self._process.stdout.readline()
                assert text, "the load ended without a result"
                line: dict[str, Any] = json.loads(text)
                if "progress" not in line:
                    return line
                self.progress.append(line["progress"])

    async def result(self) -> dict[str, Any]:
        """Returns the result, with the figures that every one has, and its process gone in peace."""
        line = await self.next()
        assert "result" in line, line
        assert await self._process.wait() == 0
        assert self.progress[-1] == 1
        figures: dict[str, Any] = line["result"]
        assert figures["seconds"] > 0
        assert figures["load_cpu_seconds"] >= 0
        return figures

    async def error(self) -> str:
        """Returns the sentence with which the load failed."""
        line = await self.next()
        assert await self._process.wait() == 1
        return str(line["error"])


async def counted(server: InProcess, metric: str) -> float:
    """Returns a number of the server's own."""
    async with server.http.get("/metrics", headers={"X-Internal-Secret": SECRET}) as answer:
        found = re.search(rf"^onlycare_{re.escape(metric)} (\S+)$", await answer.text(), re.MULTILINE)
    assert found, metric
    return float(found[1])


async def test_cycles(start: Start) -> None:
    server = await start(rate_limit=0, presence_scope="off")
    load = await Load.start(server, "cycles", "--pairs", 20, "--idle", 5, "--seconds", 0.5, "--warmup", 0)
    figures = await load.result()
    assert figures["cycles"] > 0
    # The calls that were under way at the end of the measured time were finished, one a pair.
    assert await counted(server, 'calls_ended_total{code="completed"}') == figures["cycles"] + 20
    assert await counted(server, "calls_live") == 0
    assert await counted(server, "sessions_opened_total") == 45
    assert 0 < figures["cycle_ms"]["p50"] <= figures["cycle_ms"]["p999"] <= figures["cycle_ms"]["max"]
    assert figures["server_cpu_seconds"] >= 0
    again = await Load.start(server, "cycles", "--pairs", 20, "--seconds", 0.1, "--warmup", 0.1)
    assert (await again.result())["cycles"] > 0


async def test_rejects(start: Start) -> None:
    server = await start(rate_limit=0, presence_scope="off")
    load = await Load.start(server, "rejects", "--users", 20, "--rate", 100, "--seconds", 0.7, "--warmup", 0)
    assert await load.next() == {"event": "connected", "connections": 20}
    figures = await load.result()
    assert 0 < figures["calls"] <= 71
    ended = await counted(server, 'calls_ended_total{code="declined"}')
    assert figures["calls"] <= ended <= figures["calls"] + 10
    assert await counted(server, "calls_live") == 0
    assert figures["latency_ms"]["max"] > 0
    assert figures["late_max_ms"] >= figures["late_p99_ms"] >= 0


async def test_idle(start: Start) -> None:
    server = await start(ping_interval=1.0)
    load = await Load.start(server, "idle", "--connections", 40, "--hold", 1.5)
    assert await load.next() == {"event": "connected", "connections": 40}
    assert await counted(server, "users_online") == 40
    assert (await load.next())["event"] == "idle"
    figures = await load.result()
    assert figures["heartbeats"] >= 40
    assert figures["rss_after_bytes"] > 0


async def test_storm(start: Start) -> None:
    server = await start()
    figures = await (await Load.start(server, "storm", "--users", 60, "--concurrency", 7)).result()
    assert figures["connects"] == 60 == await counted(server, 'connects_total{outcome="accepted"}')


async def test_storm_of_android_apps(start: Start) -> None:
    server = await start()
    figures = await (await Load.start(server, "storm", "--users", 20, "--concurrency", 7, "--polling")).result()
    assert figures["connects"] == 20 == await counted(server, "upgrades_total")
    assert await counted(server, 'connects_total{outcome="accepted"}') == 20


async def test_restart(start: Start) -> None:
    server = await start()
    load = await Load.start(server, "restart", "--users", 10)
    assert await load.next() == {"event": "connected", "connections": 10}
    port = server.application.port
    await server.application.stop()
    again = await start(port=port)
    assert await load.next() == {"event": "lost"}
    figures = await load.result()
    assert figures["users"] == 10 == await counted(again, 'connects_total{outcome="accepted"}')
    assert figures["attempts"] >= 10
    assert figures["seconds"] >= figures["back_s"]["max"] >= figures["back_s"]["p50"] > 0


@pytest.mark.parametrize(("kept", "lost"), [(True, 0), (False, 6)], ids=["a file", "memory"])
async def test_survival(start: Start, tmp_path: Path, kept: bool, lost: int) -> None:
    store = f"sqlite:///{tmp_path}/calls.db" if kept else "memory"
    server = await start(store=store, presence_scope="watched")
    load = await Load.start(server, "survival", "--users", 30, "--calls", 6, "--settle", 0)
    assert await load.next() == {"event": "connected", "connections": 30}
    assert await counted(server, "calls_live") == 6
    port = server.application.port
    await server.application.stop()
    again = await start(port=port, store=store, presence_scope="watched")
    assert await load.next() == {"event": "lost"}
    figures = await load.result()
    assert (figures["calls"], figures["lost"]) == (6, lost)
    assert await counted(again, "calls_live") == 6 - lost
    assert 0 <= figures["presence"] <= 20 * 30


async def test_presence(start: Start) -> None:
    server = await start(presence_scope="all")
    figures = await (await Load.start(server, "presence", "--listeners", 20, "--comings", 4)).result()
    assert figures["deliveries"] == 20 + 21 + 22 + 23
    assert figures["latency_ms"]["p50"] > 0


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (("storm", "--users", 1, "--token-form", "laravel"), "the server refused USR_1"),
        (("cycles", "--pairs", 1, "--seconds", 5), "the server answered no: .*rate_limited"),
        (("idle", "--connections", 100_000_000), "100000000 connections need 100000050 open files"),
    ],
    ids=["refused", "answered no", "too many"],
)
async def test_what_goes_wrong_is_said_in_a_sentence(start: Start, scenario: tuple[object, ...], says: str) -> None:
    load = await Load.start(await start(rate_limit=10), *map(str, scenario))
    assert re.match(says, await load.error())
