"""A thousand phones at once, and reloads of nginx while phones talk and come: nothing is lost."""

import asyncio
import json
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from ..in_process import Phone, talk
from ..interop.server_process import Server
from .nginx import Nginx, most_files, needs_nginx, serving
from .nginx_phones import PollingPhone, dial

PHONES = 1_000
AT_ONCE = 50
"""Phones that are dialling at one moment."""
TALKING, RELOADS, BETWEEN = 20, 3, 0.5

pytestmark = [
    needs_nginx,
    pytest.mark.skipif(most_files() < 4 * PHONES, reason="a process may open too few files: ulimit -Hn"),
]


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that tells nobody who comes and goes: a thousand phones would be told a million times."""
    with serving(PRESENCE_SCOPE="off", RATE_LIMIT="0") as server:
        yield server


async def dial_many(nginx: Nginx, session: aiohttp.ClientSession) -> list[Phone]:
    """Returns a thousand connected phones, of users 0 to 999."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(user: int) -> Phone:
        async with gate:
            return await dial(nginx, session, str(user))

    return await asyncio.gather(*(one(user) for user in range(PHONES)))


def connected(nginx: Nginx) -> int:
    """Returns how many users are connected, as a monitor outside sees it."""
    return int(json.loads(nginx.ask("/socket-health").body)["connectedUsers"])


async def test_a_thousand_phones_stay_through_a_reload(tmp_path: Path, server: Server) -> None:
    with Nginx(tmp_path / "nginx", server.port) as nginx:
        async with nginx.session() as session:
            phones = await dial_many(nginx, session)
            assert connected(nginx) == PHONES
            await talk(phones[0], phones[1], "1", "CALL_1")

            nginx.reload()
            await asyncio.gather(*(phone.ask("call:sync", {}) for phone in phones))
            await talk(phones[2], phones[3], "3", "CALL_2")
            phones.append(await dial(nginx, session, "late"))
            assert connected(nginx) == PHONES + 1
            await asyncio.gather(*(phone.close() for phone in phones))


class Load:
    """Tasks that do one thing over and over, and count it, until they are told to stop."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, what: str, do: Callable[[], Awaitable[object]]) -> None:
        """Does it from now on. A failure ends this one and is raised by `stop`."""

        async def again() -> None:
            while not self._stop.is_set():
                await do()
                self.done[what] += 1

        self._tasks.append(asyncio.create_task(again()))

    async def stop(self) -> None:
        """Waits until everybody is done; raises all that failed."""
        self._stop.set()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        failed = [outcome for outcome in outcomes if outcome is not None]
        assert not failed, "\n".join(line for one in failed for line in traceback.format_exception(one))


async def test_reloads_while_phones_talk_and_come(tmp_path: Path, server: Server) -> None:
    with Nginx(tmp_path / "nginx", server.port) as nginx:
        async with nginx.session() as session:
            phones = [await dial(nginx, session, f"websocket {number}") for number in range(TALKING)]
            pollers = [await PollingPhone.dial(nginx, session, f"polling {number}") for number in range(TALKING)]

            async def come_and_go() -> None:
                phone = await dial(nginx, session, "newcomer")
                await phone.ask("call:sync", {})
                await phone.close()

            async def come_and_go_polling() -> None:
                phone = await PollingPhone.dial(nginx, session, "polling newcomer")
                await phone.ask()
                await phone.send("1")

            load = Load()
            for phone in phones:
                load.keep("asked by websocket", partial(phone.ask, "call:sync", {}))
            for poller in pollers:
                load.keep("asked by polling", poller.ask)
            load.keep("came by websocket", come_and_go)
            load.keep("came by polling", come_and_go_polling)
            for _ in range(RELOADS):
                await asyncio.sleep(BETWEEN)
                before = load.done.copy()
                await asyncio.to_thread(nginx.reload)
                await asyncio.sleep(BETWEEN)
                assert all(load.done[what] > before[what] for what in before), (before, load.done)
            await load.stop()
            assert len(load.done) == 4
            assert all(set(poller.acks.values()) == {1} for poller in pollers)
            await asyncio.gather(*(phone.close() for phone in phones))
