"""A server that stops closes transports, never sockets: a DISCONNECT would make the Android library give up.

A call that rang rings on when it is back.
"""

from collections.abc import Callable

import pytest

from .conftest import Lane, dialler
from .libraries import TAKEN_FOR_FINAL
from .server_process import Server
from .test_call_story import ring

pytestmark = pytest.mark.interop

Make = Callable[[], str]


def test_a_stopped_server_looks_like_a_lost_network_and_the_phone_rings_on(
    lane: Lane, own_server: Server, user: Make, call_id: Make
) -> None:
    dial = dialler(lane, own_server)
    alice, bob = user(), user()
    phones = {alice: dial(alice), bob: dial(bob)}
    call = call_id()
    ring(phones[alice], phones[bob], bob, call)

    own_server.stop()
    reasons = {user_id: phone.disconnected() for user_id, phone in phones.items()}
    assert set(reasons.values()) <= set(lane.lost)

    own_server.start()
    for user_id, phone in phones.items():
        if reasons[user_id] != TAKEN_FOR_FINAL:
            phone.connected()
            if user_id == bob:
                again = phone.expect("call:incoming")
                assert (again["callId"], again["resumed"]) == (call, True), "it rings on"
            assert own_server.get(f"/api/users/{user_id}/online")["isOnline"] is True
            assert phone.ask("call:sync", {})["success"] is True
