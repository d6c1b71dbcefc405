"""Another socket of a device takes over, and nobody notices; one that fell silent is found out."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from onlycare_socket import switchboard

from .conftest import Start
from .in_process import InProcess, Phone, initiate, pair, talk
from .interop.contract import check_ack

HOME_AND_AWAY = [("USR_1", "USR_2"), ("USR_2", "USR_1")]
"""The user who changes his socket, and the other one: the caller is USR_1."""


async def steps(server: InProcess, call: str) -> list[dict[str, Any]]:
    timeline: dict[str, Any] = (await server.get(f"/api/calls/{call}/timeline"))[1]
    taken: list[dict[str, Any]] = timeline["steps"]
    return taken


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not there():  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.01)


async def until_step(server: InProcess, call: str, what: str) -> dict[str, Any]:
    """Returns the first such step once it is there."""
    async with asyncio.timeout(5):
        while True:
            for step in await steps(server, call):
                if step["what"] == what:
                    return step
            await asyncio.sleep(0.01)


async def talking(server: InProcess) -> tuple[dict[str, Phone], str]:
    """Returns the phones of two who talk, with all that they were told confirmed, and their call."""
    caller, receiver, call = await pair(server)
    await talk(caller, receiver, "USR_2", call)
    for phone in (caller, receiver):
        await phone.quiet()
        phone.presence.clear()
    return {"USR_1": caller, "USR_2": receiver}, call


@pytest.mark.parametrize(("moving", "other"), HOME_AND_AWAY)
async def test_a_newer_socket_takes_over_and_the_older_one_stays_open(
    server: InProcess, moving: str, other: str
) -> None:
    phones, call = await talking(server)
    before = await steps(server, call)
    newer = await server.phone(moving)
    for phone in (newer, phones[moving], phones[other]):
        await phone.quiet()
    assert not phones[other].presence, "he was online all the time"
    assert await steps(server, call) == before

    await phones[other].ask("call:end", {"callId": call})
    assert (await newer.expect("call:ended"))["callId"] == call
    await phones[moving].quiet()


@pytest.mark.parametrize(("moving", "other"), HOME_AND_AWAY)
async def test_the_late_disconnect_of_the_older_one_changes_nothing(server: InProcess, moving: str, other: str) -> None:
    phones, call = await talking(server)
    newer = await server.phone(moving)
    before = (await server.get(f"/api/calls/{call}"))[1], await steps(server, call)
    await phones[moving].close()
    await until(lambda: server.application.sessions == 2)
    server.pass_time(130)
    assert ((await server.get(f"/api/calls/{call}"))[1], await steps(server, call)) == before
    for phone in (newer, phones[other]):
        await phone.quiet()
    assert not phones[other].presence


@pytest.mark.parametrize("state", ["ringing", "accepted"])
async def test_sync_on_the_socket_that_took_over_shows_the_call(server: InProcess, state: str) -> None:
    caller, receiver, call = await pair(server)
    await caller.ask("call:initiate", initiate("USR_2", call))
    if state == "accepted":
        await receiver.ask("call:accept", {"callId": call})
    for user, role in (("USR_1", "caller"), ("USR_2", "receiver")):
        ack = check_ack("call:sync", [await (await server.phone(user)).ask("call:sync", {})])
        (row,) = ack["calls"]
        assert (row["callId"], row["role"], row["state"]) == (call, role, state)


async def test_a_command_counts_from_either_socket(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await caller.ask("call:initiate", initiate("USR_2", call))
    newer = await server.phone("USR_2")
    await newer.expect("call:incoming")
    assert (await receiver.ask("call:accept", {"callId": call}))["state"] == "accepted"
    assert (await newer.ask("call:accept", {"callId": call}))["duplicate"] is True
    assert (await newer.ask("call:end", {"callId": call}))["state"] == "ended"


class TestSilentPhones:
    """`silent` is a phone whose transport is open and that answers nothing, as one that lost its network."""

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert switchboard.PONG_WAIT == 1.5
        monkeypatch.setattr(switchboard, "PONG_WAIT", 0.2)

    async def dial(self, server: InProcess) -> tuple[Phone, Phone, str]:
        caller, silent, call = await pair(server)
        server.clock.advance(3)
        assert (await caller.ask("call:initiate", initiate("USR_2", call)))["success"]
        return caller, silent, call

    async def test_one_that_does_not_answer_is_shown_silent_and_pushed(self, server: InProcess) -> None:
        _, _, call = await self.dial(server)
        step = await until_step(server, call, "silent")
        assert (step["by"], step["device"], step["detail"]) == ("USR_2", "d:phone", "it did not answer the ping")
        assert (await until_step(server, call, "push"))["device"] == "d:phone"
        legs = (await server.get(f"/api/calls/{call}"))[1]["legs"]
        assert [leg.get("missed") for leg in legs] == [None, True]

    async def test_one_that_answers_is_shown_to_be_there(self, server: InProcess) -> None:
        _, phone, call = await self.dial(server)
        await phone.expect("call:incoming")
        await phone.quiet()
        assert (await until_step(server, call, "there"))["device"] == "d:phone"
        await asyncio.sleep(0.3)
        assert [step["what"] for step in await steps(server, call)] == ["call:initiate", "told", "there"]

    async def test_one_that_was_heard_of_just_now_is_not_asked(self, server: InProcess) -> None:
        caller, phone, call = await pair(server)
        await phone.ask("call:sync", {})
        await caller.ask("call:initiate", initiate("USR_2", call))
        await asyncio.sleep(0.3)
        assert [step["what"] for step in await steps(server, call)] == ["call:initiate", "told"]

    async def test_a_half_open_socket_is_closed_and_the_call_rings_on(self, start: Start) -> None:
        server = await start(ping_interval=1.0, ping_timeout=1.0)
        caller, _, call = await self.dial(server)
        waiting = asyncio.create_task(caller.expect("call:ended"))
        left = await until_step(server, call, "left")
        assert left["by"] == "USR_2"
        assert (await server.get("/api/users/USR_2/online"))[1]["isOnline"] is False
        assert (await server.get(f"/api/calls/{call}"))[1]["state"] == "ringing", "it rings by push"
        back = await server.phone("USR_2")
        assert (await back.expect("call:incoming"))["resumed"] is True
        await back.ask("call:reject", {"callId": call})
        waiting.cancel()
