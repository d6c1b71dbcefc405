"""The wheel with a clock of its own; pings and probes over real sockets."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from onlycare_socket.transport.heartbeat import COARSEST, FINEST, RETRY, STALL, Wheel, tick_for

from .harness import Harness, serving


class FakeTimer:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """A loop whose time stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(when, callback))
        return self.timers[-1]

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        return self.call_at(self.now + delay, callback)

    def go_to(self, when: float) -> None:
        """Run all timers up to `when`, each at its time."""
        while due := [timer for timer in self.timers if timer.when <= when and not timer.cancelled]:
            timer = min(due, key=lambda timer: timer.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.when)
            timer.callback()
        self.now = when


class Entry:
    """Notes when it is asked; wants to be asked again after each of `waits`."""

    def __init__(self, loop: FakeLoop, *waits: float) -> None:
        self.slot = -1
        self.loop, self.waits = loop, list(waits)
        self.asked: list[float] = []

    def due(self, now: float) -> float:
        self.asked.append(self.loop.now)
        return self.loop.now + self.waits.pop(0) if self.waits else math.inf


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def wheel(loop: FakeLoop) -> Wheel:
    fake: Any = loop
    return Wheel(0.1, fake)


def test_a_deadline_is_met_at_most_one_tick_early(loop: FakeLoop, wheel: Wheel) -> None:
    entries = [Entry(loop) for _ in range(100)]
    for number, entry in enumerate(entries):
        wheel.place(entry, 1000.0 + number * 0.37)
    loop.go_to(1100.0)
    for number, entry in enumerate(entries):
        assert len(entry.asked) == 1
        assert -0.1001 <= entry.asked[0] - (1000.0 + number * 0.37) <= 0.1001
    assert not loop.timers, "an empty wheel stands still"


def test_an_entry_is_asked_as_often_as_it_wants(loop: FakeLoop, wheel: Wheel) -> None:
    entry = Entry(loop, 25.0, 20.0, 0.01)
    wheel.place(entry, 1025.0)
    loop.go_to(1200.0)
    assert len(entry.asked) == 4
    for asked, expected in zip(entry.asked, (1025.0, 1050.0, 1070.0, 1070.1), strict=True):
        assert abs(asked - expected) < 0.35


def test_earlier_moves_and_later_leaves(loop: FakeLoop, wheel: Wheel) -> None:
    entry = Entry(loop)
    wheel.place(entry, 1050.0)
    wheel.place(entry, 1090.0)
    wheel.place(entry, 1010.0)
    wheel.place(entry, math.inf)
    loop.go_to(1200.0)
    assert len(entry.asked) == 1
    assert entry.asked[0] < 1010.2


def test_a_removed_entry_is_never_asked(loop: FakeLoop, wheel: Wheel) -> None:
    stays, first = Entry(loop), Entry(loop)
    for entry in (stays, first):
        wheel.place(entry, 1010.0)
    wheel.remove(first)
    wheel.remove(first)
    loop.go_to(1100.0)
    assert (len(first.asked), len(stays.asked)) == (0, 1)


def test_an_entry_removed_by_another_of_its_slot_is_not_asked(loop: FakeLoop, wheel: Wheel) -> None:
    entries: list[Entry] = []

    class Remover(Entry):
        def due(self, now: float) -> float:
            for other in entries:
                if other is not self:
                    wheel.remove(other)
            return super().due(now)

    entries += [Remover(loop), Remover(loop)]
    for entry in entries:
        wheel.place(entry, 1010.0)
    loop.go_to(1100.0)
    assert sum(len(entry.asked) for entry in entries) == 1


def test_an_entry_that_fails_is_asked_again_and_does_not_stop_the_others(
    loop: FakeLoop, wheel: Wheel, log_lines: list[dict[str, Any]]
) -> None:
    class FailsOnce(Entry):
        def due(self, now: float) -> float:
            again = super().due(now)
            if len(self.asked) == 1:
                raise RuntimeError("on purpose")
            return again

    broken, entry = FailsOnce(loop), Entry(loop, 5.0)
    for placed in (broken, entry):
        wheel.place(placed, 1010.0)
    loop.go_to(1100.0)
    assert len(entry.asked) == 2
    first, second = broken.asked
    assert abs(second - first - RETRY) <= 0.2
    assert [line["event"] for line in log_lines] == ["heartbeat failed"]


def test_after_a_stall_what_has_arrived_is_read_first(loop: FakeLoop, wheel: Wheel) -> None:
    entry = Entry(loop)
    wheel.place(entry, 1010.0)
    loop.now = 1010.0 + STALL + 10
    timer = loop.timers.pop()
    timer.callback()
    assert not entry.asked
    loop.go_to(loop.now + 0.1)
    assert len(entry.asked) == 1


def test_the_tick_suits_the_shortest_time() -> None:
    assert tick_for(25.0, 20.0, 10.0) == COARSEST
    assert tick_for(0.3, 0.2, 1.0) == FINEST
    assert FINEST < tick_for(25.0, 1.0) < COARSEST


FAST = {"ping_interval": 0.1, "ping_timeout": 0.1}


async def test_a_client_that_answers_pings_stays(engine: str) -> None:
    async with serving(websocket_engine=engine, ping_interval=0.1, ping_timeout=10) as server:
        client = await (await server.websocket()).connect()
        for _ in range(4):
            assert (await client.socket.receive(5)).data == "2"
            await client.say("3")
        await client.say('421["note",{"text":"a"}]')
        await client.expect('431[{"text":"a"}]')


async def test_a_silent_client_is_closed_on_both_transports(engine: str) -> None:
    async with serving(websocket_engine=engine, **FAST) as server:
        client = await (await server.websocket()).connect()
        sid = await server.open_polling()
        await client.closed()
        assert server.seen == [("disconnect", "ping timeout")]
        await server.until(lambda: server.sockets.sessions == 0)
        assert (await server.poll(sid))[0] == 400


async def test_pings_reach_a_poll(engine: str) -> None:
    async with serving(websocket_engine=engine, **FAST) as server:
        sid = await server.open_polling()
        for _ in range(3):
            assert await server.poll(sid) == (200, "2")
            assert await server.post(sid, "3") == (200, "ok")


async def test_a_probe_is_answered_by_the_pong(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    session = server.accepted[0].session
    answers: list[bool] = []
    session.probe(5.0, answers.append)
    assert (await client.socket.receive(5)).data == "2"
    assert answers == []
    await client.say("3")
    await server.until(lambda: answers == [True])
    assert not session.machine.ping_outstanding


async def test_any_packet_answers_a_probe(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    answers: list[bool] = []
    session = server.accepted[0].session
    before = session.packets_in
    session.probe(5.0, answers.append)
    await client.say('42["other"]')
    await server.until(lambda: answers == [True])
    assert session.packets_in == before + 1


async def test_never_two_pings_for_several_probes(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    answers: list[bool] = []
    for _ in range(3):
        server.accepted[0].session.probe(5.0, answers.append)
    server.accepted[0].emit("after")
    assert (await client.socket.receive(5)).data == "2"
    assert (await client.socket.receive(5)).data == '42["after"]'
    await client.say("3")
    await server.until(lambda: answers == [True] * 3)


async def test_a_probe_that_nobody_answers_fails_and_the_session_lives_until_its_timeout(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    server.accepted[0].session.probe(0.1, answered.set_result)
    assert await asyncio.wait_for(answered, 5) is False
    await client.say("3", '421["note",{"text":"a"}]')
    assert (await client.socket.receive(5)).data == "2"
    await client.expect('431[{"text":"a"}]')


async def test_a_probe_of_a_closing_session_fails_at_once(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    session = server.accepted[0].session
    answers: list[bool] = []
    session.probe(5.0, answers.append)
    session.close()
    session.probe(5.0, answers.append)
    assert answers == [False, False]
    await client.closed()


async def test_a_probe_on_polling(server: Harness) -> None:
    sid = await server.open_polling()
    await server.post(sid, "40")
    await server.poll(sid)
    answers: list[bool] = []
    poll = asyncio.create_task(server.poll(sid))
    await server.until(lambda: server.sockets.counters.polls == 2)
    server.accepted[0].session.probe(5.0, answers.append)
    assert await poll == (200, "2")
    await server.post(sid, "3")
    assert answers == [True]
