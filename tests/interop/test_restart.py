"""A server that stops closes transports, never sockets: a DISCONNECT would make the Android library give up."""

from collections.abc import Callable

import pytest

from .conftest import Lane, dialler
from .server_process import Server
from .test_call_story import ring

pytestmark = pytest.mark.interop

Make = Callable[[], str]


def test_a_stopped_server_looks_like_a_lost_network_and_the_phone_comes_back(
    lane: Lane, own_server: Server, user: Make, call_id: Make
) -> None:
    dial = dialler(lane, own_server)
    alice, bob = user(), user()
    caller, receiver = dial(alice), dial(bob)
    ring(caller, receiver, bob, call_id())

    own_server.stop()
    # A poll that is between two requests finds nobody there: the library then calls it an error of the transport.
    allowed = {"transport close", "transport error"} if lane.transports == "polling" else {"transport close"}
    assert caller.disconnected() in allowed
    assert receiver.disconnected() in allowed

    own_server.start()
    caller.connected()
    receiver.connected()
    assert own_server.get(f"/api/users/{alice}/online")["isOnline"] is True
    assert caller.ask("call:sync", {})["success"] is True
