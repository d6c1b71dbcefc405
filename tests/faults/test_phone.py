"""The phone of the harness behaves as the app's client does."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import aiohttp
import pytest

from tests.conftest import Start
from tests.in_process import InProcess

from .people import Person, dialled
from .phone import QUICK, Phone
from .proxy import Proxy
from .record import Entry, Record


@pytest.fixture
async def server(start: Start) -> InProcess:
    return await start(ping_interval=1.0, ping_timeout=1.0)


class Line:
    """A phone behind a proxy, and its record."""

    def __init__(self, http: aiohttp.ClientSession, proxy: Proxy) -> None:
        self.record = Record()
        self.proxy = proxy
        self.phone = Phone(self.record, f"http://127.0.0.1:{proxy.port}", http, "USR_1", "phone1", QUICK)

    def entries(self, what: str) -> list[Entry]:
        return [entry for entry in self.record.entries if entry.what == what]

    async def connected(self, connection: int) -> None:
        """Waits for the connection of this number."""
        async with asyncio.timeout(8):
            while len(self.entries("up")) < connection:  # noqa: ASYNC110 (a record is no event)
                await asyncio.sleep(0.02)


@pytest.fixture
async def line(server: InProcess) -> AsyncIterator[Line]:
    proxy = Proxy()
    proxy.target = server.application.port
    await proxy.start()
    async with aiohttp.ClientSession() as http:
        line = Line(http, proxy)
        line.phone.switch_on()
        await line.connected(1)
        yield line
        await line.phone.switch_off()
    await proxy.stop()


async def test_it_comes_back_after_a_reset_and_sends_what_waited(line: Line) -> None:
    line.proxy.reset()
    async with asyncio.timeout(5):
        while line.phone.up.is_set():  # noqa: ASYNC110 (the event is set when it is connected, not when it is not)
            await asyncio.sleep(0.01)
    ack = await line.phone.ask("call:sync", {})
    assert ack is not None
    assert ack["success"]
    assert [entry.connection for entry in line.entries("sent")] == [2]


async def test_what_was_on_its_way_is_lost_and_not_sent_again(line: Line) -> None:
    line.proxy.silence()
    assert await line.phone.ask("call:sync", {}) is None
    await line.connected(2)
    assert [entry.connection for entry in line.entries("sent")] == [1]


async def test_a_connection_on_which_no_ping_comes_is_given_up(line: Line) -> None:
    line.proxy.silence()
    await line.connected(2)
    lost = line.entries("down")[0].at - line.entries("up")[0].at
    assert 1.0 <= lost < 4.0


async def test_jumbled_commands_are_sent_in_another_order_and_some_again(line: Line) -> None:
    line.phone.jumble = Random(2)
    calls = [f"CALL_{number}" for number in range(10)]
    acks = await asyncio.gather(*(line.phone.ask("call:end", {"callId": call}) for call in calls))
    assert all(acks)
    sent = [entry.call for entry in line.entries("sent")]
    assert len(sent) > len(calls)
    assert list(dict.fromkeys(sent)) != calls
    assert set(sent) == set(calls)


async def test_a_person_chooses_by_seed_and_call_and_not_by_what_he_chose_before(line: Line) -> None:
    one, again, other = (Person(seed, "USR_1", [line.phone]) for seed in ("1", "1", "2"))
    one.random("another call").random()
    assert one.random("call").random() == again.random("call").random() != other.random("call").random()


async def test_a_call_of_its_own_is_in_the_record(line: Line) -> None:
    ack = await line.phone.ask("call:initiate", dialled("USR_2", "CALL_7"))
    assert ack is not None
    assert ack["useFcmFallback"]
    assert [(entry.what, entry.call) for entry in line.record.entries] == [
        ("up", ""),
        ("sent", "CALL_7"),
        ("ack", "CALL_7"),
    ]
