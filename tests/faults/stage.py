"""Where a run takes place: a server behind a proxy, its people, the record, and what the faults need at hand."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
from msgspec import Struct

from .people import Person
from .phone import Pace, Phone
from .proxy import Proxy
from .record import Record
from .server import ServerFailure, ServerProcess

STALL: Final = 0.2
"""Seconds by which the harness is late when the machine has stood still."""
_LOOK_EVERY: Final = 0.05
STARTS_FAST: Final = 6.0
"""Seconds from exec to listening that a busy machine is allowed; the promise of 2 s is measured elsewhere."""


class Terms(Struct, frozen=True):
    """The settings that a story has to know, in seconds."""

    ring_timeout: float = 3.0
    caller_grace: float = 2.0
    call_grace: float = 3.0
    ping_interval: float = 1.0
    ping_timeout: float = 2.0

    def settings(self) -> dict[str, str]:
        """Returns them as the server reads them."""
        named = {name.upper(): f"{getattr(self, name):g}" for name in self.__struct_fields__}
        return {**named, "RATE_LIMIT": "0", "DRAIN_SPREAD": "0.3", "PRESENCE_SCOPE": "off"}


class Stage:
    """Everything that a fault may touch."""

    def __init__(self, folder: Path, terms: Terms, *, disk_size: int, fake_clock: Path | None) -> None:
        """`disk_size` is in MB, and 0 the disk that is there; `fake_clock` is a library that lets the server's wall
        clock jump, and None the real clock."""
        self.folder = folder
        self.terms = terms
        self.record = Record()
        self.proxy = Proxy()
        self.people: list[Person] = []
        self.random = Random(0)
        self.disk = folder / "disk"
        self.clock = folder / "clock"
        self._disk_size = disk_size
        self.clock.write_text("+0")
        self.server = ServerProcess(
            folder,
            {**terms.settings(), "STORE": f"sqlite:///{self.disk / 'calls.db'}"},
            {} if fake_clock is None else _fake_time(fake_clock, self.clock),
        )
        self.http: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Opens the proxy and watches the machine; at the end everything is gone, whatever happened."""
        self.disk.mkdir()
        if self._disk_size:
            mount_small_disk(self.disk, self._disk_size)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self.http = aiohttp.ClientSession(connector=connector)
        watching = asyncio.create_task(self._watch_the_machine())
        try:
            await self.proxy.start()
            yield
        finally:
            watching.cancel()
            for phone in self.phones:
                await phone.switch_off()
            await self.http.close()
            await self.server.kill()
            await self.proxy.stop()
            if self._disk_size:
                unmount(self.disk)

    async def _watch_the_machine(self) -> None:
        """Notes when the harness itself stood still: then the machine did, and the server with it."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LOOK_EVERY)
            late = time.monotonic() - began - _LOOK_EVERY
            if late > STALL:
                self.record.add("stall", body={"seconds": round(late, 3)})

    @property
    def phones(self) -> list[Phone]:
        """All phones of all people."""
        return [phone for person in self.people for phone in person.phones]

    def person(self, seed: str, name: str, devices: int, pace: Pace) -> Person:
        """Adds a user with so many phones, which are switched off yet."""
        url = f"http://127.0.0.1:{self.proxy.port}"
        phones = [Phone(self.record, url, self.http, name, f"phone{number}", pace) for number in range(1, devices + 1)]
        person = Person(seed, name, phones)
        self.people.append(person)
        return person

    async def start_server(self) -> None:
        """Starts the server, or its successor. Raises ServerFailure."""
        took = await self.server.start()
        if took > STARTS_FAST:
            self.trouble(f"it took {took:.1f} s from exec to listening")
        self.proxy.target = self.server.port

    async def everybody_connected(self, within: float) -> None:
        """Waits until every phone is connected, and notes who is not."""
        try:
            async with asyncio.timeout(within):
                for phone in self.phones:
                    await phone.up.wait()
        except TimeoutError:
            away = [str(phone) for phone in self.phones if not phone.up.is_set()]
            self.trouble(f"not connected after {within:.0f} s: {', '.join(away)}")

    def trouble(self, text: str) -> None:
        """Notes that the server did not behave, or that the fault did not come about."""
        self.record.add("trouble", body={"text": text})

    async def health(self) -> dict[str, object]:
        """Returns what `/health` says; without an answer, the reason as `status`."""
        try:
            _, body = await self.server.ask(self.http, "/health")
        except ServerFailure as problem:
            return {"status": str(problem)}
        return body


# ---------------------------------------------------------------- what some faults need


def mount_small_disk(place: Path, size: int) -> None:
    """Mounts a disk of so many MB in memory, which can be filled. Raises OSError when that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=700", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        raise OSError(f"cannot mount a disk at {place}")


def unmount(place: Path) -> None:
    """Takes it away again."""
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


def fake_clock_library() -> Path | None:
    """Returns Debian's libfaketime, if it is installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


def _fake_time(library: Path, file: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
