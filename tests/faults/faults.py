"""The faults. Each is done to a stage while calls are in some phase, and returns when it is over.

`outage` and `over` in the record say when the server could not act at all: only that excuses a late timeout.
"""

import asyncio
import contextlib
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct

from .phone import APP, QUICK, SLOW_LINE, Pace
from .server import STOPS_WITHIN
from .stage import Stage, Terms, fake_clock_library, mount_small_disk, unmount

DEGRADED_WITHIN: Final = 8.0
"""Seconds after a disk is full by which somebody has written something and the server says so."""
RECOVERS_WITHIN: Final = 10.0
DISK_SIZE: Final = 8
"""MB of the disk that is filled."""


class Fault(Struct, frozen=True, kw_only=True):
    """A fault, what its server is set to, and how its phones come back."""

    name: str
    strike: Callable[[Stage], Awaitable[None]]
    terms: Terms = Terms()
    pace: Pace = QUICK
    slack: float = 0.5
    """Seconds by which a phone may see later than the server what happens."""
    fills_disk: bool = False
    fake_clock: bool = False

    def missing(self, folder: Path) -> str:
        """Says what this machine lacks for it, and how to get it; empty for nothing."""
        if self.fake_clock and fake_clock_library() is None:
            return "libfaketime is missing; get it with: sudo apt install libfaketime"
        if self.fills_disk and not _may_mount(folder):
            return "a disk to fill cannot be mounted; run it as root"
        return ""


def _may_mount(folder: Path) -> bool:
    place = folder / "may-mount"
    place.mkdir(parents=True, exist_ok=True)
    try:
        mount_small_disk(place, DISK_SIZE)
    except OSError:
        return False
    else:
        unmount(place)
        return True
    finally:
        place.rmdir()


# ---------------------------------------------------------------- the process


async def kill(stage: Stage) -> None:
    """Kills the server and starts it at once; sometimes its successor too, while everybody comes back."""
    await _kill_and_start(stage)
    if stage.random.random() < 0.3:
        await asyncio.sleep(stage.random.uniform(0.0, 0.6))
        await _kill_and_start(stage)


async def _kill_and_start(stage: Stage) -> None:
    stage.record.add("outage")
    await stage.server.kill()
    stage.record.add("killed")
    await stage.start_server()
    stage.record.add("over")


async def restart(stage: Stage) -> None:
    """Stops the server as an update does, and starts it when it is gone."""
    stage.record.add("outage")
    code, took = await stage.server.terminate()
    if code != 0 or took > STOPS_WITHIN:
        stage.trouble(f"after SIGTERM it ended with {code}, in {took:.1f} s")
    await stage.start_server()
    stage.record.add("over")


def stop(seconds: float) -> Callable[[Stage], Awaitable[None]]:
    """Returns the fault that lets the process stand still for so long."""

    async def strike(stage: Stage) -> None:
        stage.record.add("outage")
        stage.server.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            stage.server.signal(signal.SIGCONT)
            stage.record.add("over")

    return strike


async def fill_disk(stage: Stage) -> None:
    """Fills the disk until the server says so, lets live calls go on, frees it, and kills the server it recovered.

    SQLite's log may have room from before, in which the server could go on writing: that is filled, too.
    """
    ballast = stage.disk / "ballast"
    _fill(ballast)
    await asyncio.to_thread(_shorten_log, stage.disk / "calls.db")
    _fill(ballast)
    if not await _status(stage, "DEGRADED", DEGRADED_WITHIN):
        stage.trouble("the disk is full and /health does not say DEGRADED")
    await asyncio.sleep(1.0)
    ballast.unlink()
    if not await _status(stage, "OK", RECOVERS_WITHIN):
        stage.trouble(f"the disk has been free for {RECOVERS_WITHIN:.0f} s and /health does not say OK")
    await _kill_and_start(stage)


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for piece in (1_048_576, 4_096):
            with contextlib.suppress(OSError):
                while file.write(bytes(piece)) == piece:
                    pass


def _shorten_log(database: Path) -> None:
    """Makes SQLite's log as short as it can be while a server writes; without room for that, it has none either."""
    with contextlib.closing(sqlite3.connect(database, timeout=1.0)) as connection, contextlib.suppress(sqlite3.Error):
        for _ in range(20):
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return


async def _status(stage: Stage, wanted: str, within: float) -> bool:
    deadline = stage.record.now() + within
    while stage.record.now() < deadline:
        if (await stage.health()).get("status") == wanted:
            stage.record.add("health", body={"status": wanted})
            return True
        await asyncio.sleep(0.1)
    return False


# ---------------------------------------------------------------- the network


async def reset(stage: Stage) -> None:
    """Resets every connection, up to three times."""
    for _ in range(stage.random.randint(1, 3)):
        stage.proxy.reset()
        await asyncio.sleep(stage.random.uniform(0.1, 0.8))


async def half_open(stage: Stage) -> None:
    """Lets the connections of half the users go silent, without either end being told. New ones work."""
    chosen = [person for person in stage.people if stage.random.random() < 0.5]
    stage.proxy.silence([phone.port for person in chosen for phone in person.phones])
    await asyncio.sleep(stage.terms.ping_interval + stage.terms.ping_timeout + 0.5)


async def silence_and_kill(stage: Stage) -> None:
    """As `half_open`, but the server is killed before it could notice: what was said meanwhile reached nobody."""
    chosen = [person for person in stage.people if stage.random.random() < 0.5]
    stage.proxy.silence([phone.port for person in chosen for phone in person.phones])
    await asyncio.sleep(stage.random.uniform(0.3, 1.0))
    await _kill_and_start(stage)
    await asyncio.sleep(stage.terms.ping_interval + stage.terms.ping_timeout + 0.5)


async def latency(stage: Stage) -> None:
    """Holds up every byte by two seconds, in both directions, for a while."""
    stage.proxy.delay = 2.0
    try:
        await asyncio.sleep(6.0)
    finally:
        stage.proxy.delay = 0.0
    await asyncio.sleep(2.0)


async def shuffle(stage: Stage) -> None:
    """Every phone sends what it sends in any order, and some of it again."""
    for phone in stage.phones:
        phone.jumble = Random(stage.random.random())
    await asyncio.sleep(3.0)
    for phone in stage.phones:
        phone.jumble = None


async def jump(stage: Stage) -> None:
    """Sets the server's wall clock an hour ahead or back, and sometimes right again."""
    _set_clock(stage, stage.random.choice(("+3600", "-3600")))
    await asyncio.sleep(2.0)
    if stage.random.random() < 0.5:
        _set_clock(stage, "+0")
        await asyncio.sleep(1.0)


def _set_clock(stage: Stage, offset: str) -> None:
    beside = stage.clock.with_suffix(".new")
    beside.write_text(offset)
    beside.replace(stage.clock)


PATIENT: Final = Terms(ring_timeout=6.0, caller_grace=8.0, call_grace=10.0, ping_timeout=8.0)

FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault(name="sigkill", strike=kill),
        Fault(name="sigterm", strike=restart),
        Fault(name="sigstop", strike=stop(3.0)),
        Fault(name="disk_full", strike=fill_disk, fills_disk=True),
        Fault(name="reset", strike=reset),
        Fault(name="half_open", strike=half_open, slack=0.95),
        Fault(name="half_open_kill", strike=silence_and_kill, slack=0.95),
        Fault(name="latency", strike=latency, terms=PATIENT, pace=SLOW_LINE, slack=5.0),
        Fault(name="shuffle", strike=shuffle),
        Fault(name="clock", strike=jump, fake_clock=True),
    )
}
"""What CI runs."""
LONG_FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault(name="sigkill_app", strike=kill, pace=APP),
        Fault(name="sigstop_5", strike=stop(5.0), pace=APP),
        Fault(name="sigstop_30", strike=stop(30.0), pace=APP),
    )
}
"""What takes too long for CI: longer stops, and phones that take as long as the app to come back."""
