"""A server that is killed and started again on the same file: what phones, watchers and operators notice of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, suppress
from glob import glob
from pathlib import Path
from sqlite3 import connect
from typing import Any

import aiohttp
import pytest

from onlycare_socket.adapters.sqlite import NOTES_WAIT
from onlycare_socket.adapters.static import dev_token
from onlycare_socket.adapters.verdicts import token_hash

from .adapters.laravel_stand_in import Laravel, user
from .adapters.sqlite_stores import crashed
from .conftest import Start
from .in_process import InProcess, Phone, initiate, new_call_id, ring, talk
from .interop.server_process import Server

Restart = Callable[[InProcess], Awaitable[InProcess]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
async def first(start: Start, path: Path) -> InProcess:
    """The server that is killed in the end."""
    return await start(store=f"sqlite:///{path}")


@pytest.fixture
def restarted(start: Start, path: Path) -> Restart:
    """Starts a server on what kill -9 leaves at this moment of the one before. Clients find it on another port."""

    async def restarted(before: InProcess, **settings: Any) -> InProcess:
        await noted()
        left = crashed(path)
        await before.stop()
        return await start(**({"store": f"sqlite:///{left}"} | settings))

    return restarted


async def noted() -> None:
    """Waits until who was told what is in the file, too: that comes a moment after the telling."""
    await asyncio.sleep(NOTES_WAIT + 0.3)


async def seen_to_be_gone(server: InProcess, user: str) -> None:
    while (await server.get(f"/api/users/{user}/online"))[1]["isOnline"]:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def quiet(*phones: Phone) -> None:
    """Asserts that nothing else was told, of calls or of users."""
    for phone in phones:
        await phone.quiet()
        assert not phone.presence, phone.presence


# ---------------------------------------------------------------- calls


async def test_a_ringing_call_goes_on(first: InProcess, restarted: Restart) -> None:
    caller, receiver, call = await first.phone("USR_1"), await first.phone("USR_2"), new_call_id()
    await ring(caller, receiver, "USR_2", call)
    second = await restarted(first)
    assert (await second.get("/health"))[1]["activeCalls"] == 1
    caller, receiver = await second.phone("USR_1"), await second.phone("USR_2")
    incoming = await receiver.expect("call:incoming")
    assert (incoming["callId"], incoming["resumed"], incoming["agoraToken"]) == (call, True, "006agora")
    tablet = await second.phone("USR_2", "tablet")
    assert "resumed" not in await tablet.expect("call:incoming"), "it never rang there"
    again = await caller.ask("call:initiate", initiate("USR_2", call))
    assert (again["duplicate"], again["state"]) == (True, "ringing")
    other = await second.phone("USR_3")
    busy = await other.ask("call:initiate", initiate("USR_2", new_call_id()))
    assert (busy["success"], busy["code"]) == (False, "busy")
    assert (await receiver.ask("call:accept", {"callId": call}))["state"] == "accepted"
    assert (await caller.expect("call:accepted"))["callId"] == call
    await tablet.expect("call:cancelled")
    await tablet.expect("call:ended")
    for phone in (caller, receiver, tablet):
        await phone.quiet()
    steps = (await second.get(f"/api/calls/{call}/timeline"))[1]["steps"]
    assert [step["what"] for step in steps].count("taken up") == 1
    assert steps[0]["what"] == "call:initiate"


async def test_one_that_rings_after_the_restart_can_time_out(first: InProcess, restarted: Restart) -> None:
    caller, receiver, call = await first.phone("USR_1"), await first.phone("USR_2"), new_call_id()
    await ring(caller, receiver, "USR_2", call)
    second = await restarted(first)
    caller, receiver = await second.phone("USR_1"), await second.phone("USR_2")
    await receiver.expect("call:incoming")
    second.pass_time(16)
    await caller.quiet()  # the grace of who is here does nothing
    second.pass_time(15)
    assert (await caller.expect("call:timeout"))["callId"] == call
    assert (await receiver.expect("call:cancelled"))["code"] == "no_answer"
    await receiver.expect("call:ended")


async def test_the_parties_have_their_grace_anew(first: InProcess, restarted: Restart) -> None:
    caller, receiver, call = await first.phone("USR_1"), await first.phone("USR_2"), new_call_id()
    await ring(caller, receiver, "USR_2", call)
    second = await restarted(first)
    receiver = await second.phone("USR_2")
    await receiver.expect("call:incoming")
    second.pass_time(14)
    await receiver.quiet()
    second.pass_time(1.5)
    assert (await receiver.expect("call:cancelled"))["code"] == "connection_lost"
    await receiver.expect("call:ended")


async def test_who_talks_goes_on(first: InProcess, restarted: Restart) -> None:
    """Who had heard that the call was accepted died with the process: he who dialled is told again."""
    caller, receiver, call = await first.phone("USR_1"), await first.phone("USR_2"), new_call_id()
    await talk(caller, receiver, "USR_2", call)
    second = await restarted(first)
    caller, receiver = await second.phone("USR_1"), await second.phone("USR_2")
    assert (await caller.expect("call:accepted"))["callId"] == call
    await quiet(caller, receiver)
    (live,) = (await receiver.ask("call:sync", {}))["calls"]
    assert (live["callId"], live["state"], live["role"]) == (call, "accepted", "receiver")
    assert (await caller.ask("call:end", {"callId": call}))["state"] == "ended"
    ended = await receiver.expect("call:ended")
    assert (ended["code"], ended["endedBy"]) == ("completed", "USR_1")
    assert ended["durationMs"] >= 0


async def test_an_end_that_was_not_delivered_is_told(first: InProcess, restarted: Restart) -> None:
    caller, receiver, call = await first.phone("USR_1"), await first.phone("USR_2"), new_call_id()
    await talk(caller, receiver, "USR_2", call)
    await receiver.close()
    await seen_to_be_gone(first, "2")
    assert (await caller.ask("call:end", {"callId": call}))["success"]
    second = await restarted(first)
    caller, receiver = await second.phone("USR_1"), await second.phone("USR_2")
    assert (await receiver.expect("call:ended"))["callId"] == call
    await quiet(caller, receiver)
    late = await caller.ask("call:end", {"callId": call})
    assert (late["duplicate"], late["state"], late["code"]) == (True, "ended", "completed")


async def test_a_command_that_overtook_its_call_still_counts(first: InProcess, restarted: Restart) -> None:
    receiver, call = await first.phone("USR_2"), new_call_id()
    assert (await receiver.ask("call:reject", {"callId": call}))["code"] == "not_found"
    second = await restarted(first)
    caller, receiver = await second.phone("USR_1"), await second.phone("USR_2")
    assert (await caller.ask("call:initiate", initiate("USR_2", call)))["state"] == "ended"
    assert (await caller.expect("call:rejected"))["code"] == "declined"
    await receiver.quiet()


# ---------------------------------------------------------------- users


async def test_who_comes_back_in_time_was_never_away(first: InProcess, restarted: Restart) -> None:
    for name in ("USR_1", "USR_2", "USR_3"):
        await first.phone(name)
    second = await restarted(first)
    assert (await second.get("/api/connected-users"))[1]["count"] == 0, "what the operators ask is true at once"
    watching = await second.phone("USR_1")
    second.pass_time(4)
    back = await second.phone("USR_2")
    await quiet(watching, back)
    second.pass_time(0.9)
    await quiet(watching, back)
    second.pass_time(0.2)
    for phone in (watching, back):
        assert (await phone.expect_presence("user:offline"))["userId"] == "USR_3"
    second.pass_time(60)
    await quiet(watching, back)
    await second.phone("USR_3")
    assert (await watching.expect_presence("user:online"))["userId"] == "USR_3"


async def test_who_watches_before_the_others_are_back_sees_them_online(first: InProcess, restarted: Restart) -> None:
    """Nobody is told when they come back, so an ack that says offline would never be put right."""
    for name in ("USR_1", "USR_2", "USR_3"):
        await first.phone(name)
    second = await restarted(first)
    watching = await second.phone("USR_1")
    users = {"userIds": ["USR_2", "USR_3", "USR_4"]}
    ack = await watching.ask("presence:watch", users)
    assert ack["online"] == {"USR_2": True, "USR_3": True, "USR_4": False}
    back = await second.phone("USR_2")
    second.pass_time(6)
    assert (await watching.expect_presence("user:offline"))["userId"] == "USR_3"
    assert (await watching.ask("presence:watch", users))["online"] == {"USR_2": True, "USR_3": False, "USR_4": False}
    await back.quiet()


async def test_who_was_told_to_be_offline_is_not_told_again(first: InProcess, restarted: Restart) -> None:
    await first.phone("USR_1")
    gone = await first.phone("USR_2")
    await gone.close()
    await seen_to_be_gone(first, "2")
    first.pass_time(6)
    second = await restarted(first)
    watching = await second.phone("USR_1")
    second.pass_time(6)
    await quiet(watching)


async def test_who_never_came_back_is_forgotten(first: InProcess, restarted: Restart, tmp_path: Path) -> None:
    await first.phone("USR_2")
    second = await restarted(first)
    second.pass_time(6)
    await second.stop()
    assert facts_in(next(iter(glob(f"{tmp_path}/crash-*/calls.db")))) == []


def facts_in(path: str) -> list[tuple[Any, ...]]:
    with closing(connect(path)) as connection:
        return connection.execute("SELECT * FROM facts WHERE kind <> 'store'").fetchall()


# ---------------------------------------------------------------- verdicts


@pytest.fixture
async def laravel() -> AsyncIterator[Laravel]:
    server = Laravel()
    server.users = {"1|one": user("USR_1"), "2|two": user("USR_2")}
    await server.start()
    yield server
    await server.stop()


async def logged_in(server: InProcess, name: str, token: str) -> Phone:
    phone = await server.open()
    assert await phone.connect({"token": token, "userId": name, "deviceId": "d"}) is None
    return phone


async def test_a_log_out_is_in_the_file_when_it_is_answered(start: Start, path: Path, laravel: Laravel) -> None:
    here = await start(store=f"sqlite:///{path}", auth="laravel", laravel_api_url=laravel.url)
    for number, (name, token) in enumerate((("USR_1", "1|one"), ("USR_2", "2|two")), 1):
        await logged_in(here, name, token)
        assert laravel.asked == number
    assert (await here.post("/api/users/USR_1/disconnect"))[1] == {"success": True, "disconnected": 1}
    left = crashed(path)
    await here.stop()
    second = await start(store=f"sqlite:///{left}", auth="laravel", laravel_api_url=laravel.url)
    await logged_in(second, "USR_2", "2|two")
    assert laravel.asked == 2, "known from before"
    del laravel.users["1|one"]
    phone = await second.open()
    error = await phone.connect({"token": "1|one", "userId": "USR_1"})
    assert error is not None
    assert error["message"] == "Invalid token"
    assert laravel.asked == 3
    content = b"".join(file.read_bytes() for file in (left, Path(f"{left}-wal")))
    assert token_hash("2|two").hex().encode() in content
    for private in (b"1|one", b"2|two", b"+919812345678", b"asha@example.com"):
        assert private not in content


# ---------------------------------------------------------------- the process


@pytest.fixture
def process() -> Iterator[Server]:
    server = Server("--dev", PRESENCE_SCOPE="all")
    yield server
    server.kill()
    server.close()


async def dial_up(http: aiohttp.ClientSession, server: Server, name: str) -> Phone:
    """Connects a phone, trying again as the app does."""
    async with asyncio.timeout(20):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                socket = await http.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket")
                assert (await socket.receive_str()).startswith("0{")
                phone = Phone(socket)
                assert await phone.connect({"token": dev_token(name, "a"), "userId": name, "deviceId": "d"}) is None
                return phone
            await asyncio.sleep(0.05)


async def test_kill_9_and_the_same_port_again(process: Server) -> None:
    await asyncio.to_thread(process.start)
    rings, talks = new_call_id(), new_call_id()
    async with aiohttp.ClientSession() as http:
        names = ("USR_1", "USR_2", "USR_3", "USR_4")
        phones = [await dial_up(http, process, name) for name in names]
        await ring(phones[0], phones[1], "USR_2", rings)
        await talk(phones[2], phones[3], "USR_4", talks)
        await phones[2].quiet()
        await noted()
        process.kill()
        for phone in phones:
            await phone.expect_gone()
        coming = [asyncio.create_task(dial_up(http, process, name)) for name in names]
        await asyncio.to_thread(process.start)
        phones = await asyncio.gather(*coming)
        incoming = await phones[1].expect("call:incoming")
        assert (incoming["callId"], incoming["resumed"]) == (rings, True)
        assert (await phones[1].ask("call:accept", {"callId": rings}))["state"] == "accepted"
        assert (await phones[0].expect("call:accepted"))["callId"] == rings
        assert (await phones[3].ask("call:end", {"callId": talks}))["state"] == "ended"
        assert (await phones[2].expect("call:accepted"))["callId"] == talks, "who had heard of it died with the process"
        assert (await phones[2].expect("call:ended"))["callId"] == talks
        await quiet(*phones)
        await stop_while_they_are_there(http, process, phones)


async def stop_while_they_are_there(http: aiohttp.ClientSession, process: Server, phones: list[Phone]) -> None:
    """SIGTERM: `/ready` says so at once, `/health` stays well, phones see a lost network, the end comes in time."""
    began = time.monotonic()
    stopping = asyncio.create_task(asyncio.to_thread(process.stop))
    gone = [asyncio.create_task(phone.expect_gone()) for phone in phones]
    async with asyncio.timeout(2):
        while (await http.get(f"{process.url}/ready")).status != 503:
            pass
    async with http.get(f"{process.url}/health") as health:
        assert health.status == 200
    await asyncio.gather(*gone, stopping)
    assert time.monotonic() - began < 5
