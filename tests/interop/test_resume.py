"""What a phone is told when it comes back, and what the backend and the operator can do to it meanwhile."""

import time
from collections.abc import Callable

import pytest

from .conftest import Dial, Lane, dialler
from .phones import WITHIN, Phone
from .server_process import Server
from .test_call_story import ring

pytestmark = pytest.mark.interop

Make = Callable[[], str]


def leave(phone: Phone, server: Server, user_id: str) -> None:
    """Closes a phone, and waits until the server has noticed."""
    phone.close()
    deadline = time.monotonic() + WITHIN
    while server.get(f"/api/users/{user_id}/online")["isOnline"]:
        assert time.monotonic() < deadline, f"{user_id} stays online"
        time.sleep(0.02)


def test_a_ringing_phone_that_comes_back_rings_again_and_knows_it(
    dial_once: Dial, server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial_once(alice), dial_once(bob)
    ring(caller, receiver, bob, call)
    receiver.do("call:ringing", call, "ringing")
    caller.expect("call:ringing")

    leave(receiver, server, bob)
    back = dial_once(bob)
    incoming = back.expect("call:incoming")
    assert (incoming["callId"], incoming["resumed"]) == (call, True)
    back.do("call:reject", call, "ended")
    back.expect("call:reject:confirmed")
    assert caller.expect("call:rejected")["code"] == "declined"


def test_a_caller_who_was_away_learns_that_he_was_answered(
    dial_once: Dial, server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial_once(alice), dial_once(bob)
    ring(caller, receiver, bob, call)
    leave(caller, server, alice)
    receiver.do("call:accept", call, "accepted")

    back = dial_once(alice)
    assert back.expect("call:accepted")["callId"] == call
    back.do("call:end", call, "ended")
    assert receiver.expect("call:ended")["code"] == "completed"


def test_a_caller_who_was_away_learns_that_he_was_declined_but_not_by_a_terminal_event(
    dial_once: Dial, server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial_once(alice), dial_once(bob)
    ring(caller, receiver, bob, call)
    leave(caller, server, alice)
    receiver.do("call:reject", call, "ended")
    receiver.expect("call:reject:confirmed")

    back = dial_once(alice)
    ended = back.expect("call:ended")  # call:rejected would be taken for the answer to whatever is dialled next
    assert (ended["callId"], ended["code"]) == (call, "declined")
    back.quiet()


def test_a_call_accepted_by_the_backend_waits_for_the_phone_that_answers(
    dial_once: Dial, server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial_once(alice), dial_once(bob)
    ring(caller, receiver, bob, call)

    said = server.post("/api/emit/call-accepted", {"callerId": alice, "callId": call, "receiverId": bob})
    assert (said["success"], said["emitted"]) == (True, True)
    assert caller.expect("call:accepted")["receiverId"] == bob
    receiver.quiet()  # nobody tells it to stop: it may be the phone that answered by REST
    answer = receiver.ask("call:accept", {"callId": call})
    assert (answer["success"], answer["duplicate"], answer["state"]) == (True, True, "accepted")
    caller.do("call:end", call, "ended")
    assert receiver.expect("call:ended")["endedBy"] == alice


def test_a_call_rejected_by_the_backend_reaches_the_caller_and_stops_the_phone(
    dial_once: Dial, server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, receiver = dial_once(alice), dial_once(bob)
    ring(caller, receiver, bob, call)

    body = {"callerId": alice, "callId": call, "receiverId": bob, "reason": "Driving"}
    said = server.post("/api/emit/call-rejected", body)
    assert (said["success"], said["emitted"]) == (True, True)
    rejected = caller.expect("call:rejected")
    assert (rejected["callId"], rejected["reason"], rejected["code"]) == (call, "Driving", "declined")
    assert receiver.expect("call:cancelled")["callId"] == call
    assert receiver.expect("call:ended")["callId"] == call


def test_a_user_disconnected_by_the_backend_loses_the_transport_only(lane: Lane, server: Server, user: Make) -> None:
    alice = user()
    phone = dialler(lane, server)(alice)
    phone.quiet()
    server.post(f"/api/users/{alice}/disconnect", {})
    assert phone.disconnected() in lane.lost


def test_the_other_websocket_engine_ends_a_connection_in_the_same_way(
    library_lane: Lane, plain_server: Server, user: Make
) -> None:
    alice = user()
    phone = dialler(library_lane, plain_server)(alice)
    phone.quiet()
    plain_server.post(f"/api/users/{alice}/disconnect", {})
    assert phone.disconnected() in library_lane.lost
