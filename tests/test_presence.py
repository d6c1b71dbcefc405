"""Who hears of whom (contract section 5)."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from onlycare_socket.calls.ids import DeviceId, UserId
from onlycare_socket.presence import TooManyWatches, Watches

from .conftest import Start
from .in_process import InProcess, Phone


async def nothing_heard(*phones: Phone) -> None:
    """Asserts that no presence event came, or is on its way."""
    for phone in phones:
        await phone.quiet()
        assert not phone.presence, phone.presence


async def leave(server: InProcess, phone: Phone) -> None:
    """Closes a phone and waits until the server has noticed."""
    before = server.application.sessions
    await phone.close()
    while server.application.sessions == before:
        await server.get("/health")


async def test_everybody_else_hears_of_a_first_socket_only(server: InProcess) -> None:
    watching = await server.phone("USR_1")
    first = await server.phone("USR_2")
    online = await watching.expect_presence("user:online")
    assert online == {"userId": "USR_2", "timestamp": online["timestamp"]}
    second = await server.phone("USR_2", "tablet")
    await nothing_heard(watching, first, second)


async def test_offline_comes_five_seconds_after_the_last_socket(server: InProcess) -> None:
    watching, first, second = await server.phone("1"), await server.phone("2"), await server.phone("2", "tablet")
    await watching.expect_presence("user:online")
    await leave(server, first)
    server.pass_time(10)
    await nothing_heard(watching, second)
    await leave(server, second)
    assert (await server.get("/api/users/2/online"))[1]["isOnline"] is False
    server.pass_time(4.9)
    await nothing_heard(watching)
    server.pass_time(0.2)
    offline = await watching.expect_presence("user:offline")
    assert offline == {"userId": "2", "timestamp": offline["timestamp"]}
    server.pass_time(60)
    await nothing_heard(watching)


async def test_who_comes_back_in_time_was_never_away(server: InProcess) -> None:
    watching, phone = await server.phone("1"), await server.phone("2")
    await watching.expect_presence("user:online")
    await leave(server, phone)
    server.pass_time(4)
    phone = await server.phone("2")
    server.pass_time(10)
    await nothing_heard(watching)
    await leave(server, phone)
    server.pass_time(4)
    await nothing_heard(watching)
    server.pass_time(1.1)
    await watching.expect_presence("user:offline")


async def test_every_device_hears_once_on_its_newest_socket(server: InProcess) -> None:
    older, newer, tablet = await server.phone("1"), await server.phone("1"), await server.phone("1", "tablet")
    await server.phone("2")
    await newer.expect_presence("user:online")
    await tablet.expect_presence("user:online")
    await nothing_heard(older, newer, tablet)


async def test_watching(start: Start) -> None:
    server = await start(presence_scope="watched")
    watching, other = await server.phone("1"), await server.phone("3")
    asked = ["2", "USR_2", "USR_USR_3", "9"]
    ack = await watching.ask("presence:watch", {"userIds": asked})
    assert ack == {"success": True, "online": {"2": False, "USR_2": False, "USR_USR_3": True, "9": False}}

    phone = await server.phone("USR_2")
    assert (await watching.expect_presence("user:online"))["userId"] == "USR_2"
    await nothing_heard(watching, other)
    await leave(server, phone)
    server.pass_time(6)
    await watching.expect_presence("user:offline")

    assert (await watching.ask("presence:watch", {"userIds": ["8"]}))["online"] == {"8": False}
    await server.phone("2")
    await nothing_heard(watching)
    await server.phone("8")
    await watching.expect_presence("user:online")


async def test_a_watch_list_lives_as_long_as_its_device(start: Start) -> None:
    server = await start(presence_scope="watched")
    first, second = await server.phone("1"), await server.phone("1")
    await first.ask("presence:watch", {"userIds": ["2"]})
    await server.phone("2")
    await second.expect_presence("user:online")
    await leave(server, second)
    await server.post("/api/users/2/disconnect")
    server.pass_time(6)
    await first.expect_presence("user:offline")
    await leave(server, first)
    back = await server.phone("1")
    await server.phone("2")
    await nothing_heard(back)


async def test_off(start: Start) -> None:
    server = await start(presence_scope="off")
    watching = await server.phone("1")
    assert (await watching.ask("presence:watch", {"userIds": ["2"]}))["online"] == {"2": False}
    phone = await server.phone("2")
    await leave(server, phone)
    server.pass_time(6)
    await nothing_heard(watching)


async def test_above_the_limit_only_those_who_watch_are_told(
    start: Start, log_lines: list[MutableMapping[str, Any]]
) -> None:
    server = await start(presence_all_limit=3)
    watching, other = await server.phone("1"), await server.phone("2")
    await watching.ask("presence:watch", {"userIds": ["4"]})
    await watching.expect_presence("user:online")
    third = await server.phone("3")
    await watching.expect_presence("user:online")
    await other.expect_presence("user:online")

    fourth, fifth = await server.phone("4"), await server.phone("5")
    assert (await watching.expect_presence("user:online"))["userId"] == "4"
    await nothing_heard(watching, other, third)
    warnings = [line for line in log_lines if line["log_level"] == "warning"]
    assert [line["limit"] for line in warnings] == [3]
    assert server.application.presence.narrowed

    await leave(server, fifth)
    server.pass_time(6)
    await nothing_heard(other)
    await leave(server, fourth)
    server.pass_time(6)
    assert (await watching.expect_presence("user:offline"))["userId"] == "4"
    assert (await other.expect_presence("user:offline"))["userId"] == "4"
    await server.phone("4")
    assert [line for line in log_lines if line["log_level"] == "warning"] == warnings


def test_watches_are_bounded_and_leave_nothing_behind() -> None:
    watches = Watches(most=3)
    alice, bob = (UserId("1"), DeviceId("d:a")), (UserId("2"), DeviceId("d:b"))
    watched = [UserId(str(number)) for number in range(5)]
    watches.replace(alice, frozenset(watched[:2]))
    watches.replace(bob, frozenset(watched[:1]))
    with pytest.raises(TooManyWatches):
        watches.replace(bob, frozenset(watched[:2]))
    assert watches.of(watched[0]) == {alice, bob}
    watches.replace(alice, frozenset(watched[3:4]))
    assert (len(watches), set(watches.of(watched[0])), set(watches.of(watched[1]))) == (2, {bob}, set())
    watches.drop(alice)
    watches.drop(alice)
    watches.replace(bob, frozenset())
    assert len(watches) == 0
    assert not watches.of(watched[3])


async def test_who_watches_more_than_the_server_can_remember_is_told(server: InProcess) -> None:
    phone = await server.phone("1")
    full = Watches(most=1)
    server.application.presence.watches = full
    ack = await phone.ask("presence:watch", {"userIds": ["2", "3"]})
    assert (ack["success"], ack["code"]) == (False, "unavailable")
