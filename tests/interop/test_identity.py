"""Who connects: user ids in every form, the three refusals, two sockets of one phone, presence."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Dial, Lane, OpenLane, dialler
from .libraries import LIBRARIES, TRANSPORTS
from .phones import Phone
from .server_process import Server
from .test_call_story import initiate, ring

pytestmark = pytest.mark.interop

Make = Callable[[], str]


def bare(user_id: str) -> str:
    """Returns the number in an id of the backend's form."""
    return user_id.removeprefix("USR_")


@pytest.mark.parametrize("form", ["USR_{}", "USR_USR_{}", "{}"])
def test_every_form_of_an_id_names_the_same_user(form: str, dial: Dial, user: Make, call_id: Make) -> None:
    alice, bob, call = user(), user(), call_id()
    caller = dial(alice, userId=form.format(bare(alice)))
    receiver = dial(bob, userId=form.format(bare(bob)))

    incoming = ring(caller, receiver, form.format(bare(bob)), call)
    assert incoming["callerId"] == alice
    receiver.do("call:accept", call.removeprefix("CALL_"), "accepted")  # the other form of a call's id
    accepted = caller.expect("call:accepted")
    assert (accepted["callId"], accepted["receiverId"]) == (call, bob)
    caller.do("call:end", call, "ended")
    ended = receiver.expect("call:ended")
    assert (ended["callId"], ended["endedBy"]) == (call.removeprefix("CALL_"), alice)


@pytest.mark.parametrize("library", ["js", "js-4.0", "python"])  # the Java library sends auth fields as text only
def test_an_integer_user_id_counts_as_its_text(library: str, open_lane: OpenLane, server: Server, user: Make) -> None:
    alice = user()
    dial = dialler(open_lane(library, "websocket"), server)
    phone = dial(alice, userId=int(bare(alice)))
    assert server.get(f"/api/users/{alice}/online")["isOnline"] is True
    phone.close()


REFUSALS: list[tuple[str, dict[str, Any] | None]] = [
    ("Authentication required", None),
    ("Authentication required", {"userId": "USR_1"}),
    ("Authentication required", {"token": "dev:USR_1:phone"}),
    ("Authentication required", {"token": "", "userId": "USR_1"}),
    ("Invalid token", {"token": "5|wrong", "userId": "USR_1"}),
    ("Invalid token", {"token": "dev:USR_1:phone", "userId": "USR_2"}),
    ("Authentication failed", {"token": "dev:USR_1:" + "x" * 10_000, "userId": "USR_1"}),
]


@pytest.mark.parametrize(("message", "auth"), REFUSALS)
def test_a_refusal_says_why_and_carries_a_code(
    message: str, auth: dict[str, Any] | None, lane: Lane, server: Server
) -> None:
    phone = lane.program.open(server.url, TRANSPORTS[lane.transports], auth, acks=True)
    refusal = phone.refused()
    assert refusal["message"] == message
    assert isinstance(refusal["data"]["code"], str)
    assert refusal["data"]["code"]


def test_closing_the_old_socket_of_a_phone_does_not_take_its_user_offline(
    dial: Dial, server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller = dial(alice)
    old = dial(bob)
    new = dial(bob)  # the same token, no deviceId: the same phone
    online = server.get(f"/api/users/{bob}/online")
    assert (online["userId"], online["isOnline"], online["devices"]) == (bob, True, 1)

    ring(caller, new, bob, call)  # the newest socket of a device hears
    old.quiet()
    old.close()
    new.do("call:accept", call, "accepted")
    assert caller.expect("call:accepted")["receiverId"] == bob
    caller.quiet()
    new.quiet()
    assert server.get(f"/api/users/{bob}/online")["isOnline"] is True
    new.do("call:end", call, "ended")
    assert caller.expect("call:ended")["endedBy"] == bob


def test_the_older_socket_takes_over_when_the_newest_closes(
    dial_once: Dial, server: Server, user: Make, call_id: Make
) -> None:
    alice, bob, call = user(), user(), call_id()
    caller, old, new = dial_once(alice), dial_once(bob), dial_once(bob)
    ring(caller, new, bob, call)
    new.close()
    assert old.expect("call:incoming")["callId"] == call  # treated like a connect while it rings
    old.do("call:accept", call, "accepted")
    caller.expect("call:accepted")
    old.do("call:end", call, "ended")


def test_others_are_told_when_a_user_comes_and_goes(dial_once: Dial, server: Server, user: Make) -> None:
    alice, bob, nobody = user(), user(), user()
    watcher = dial_once(alice)
    assert server.get(f"/api/users/{bob}/online") == {
        "userId": bob,
        "isOnline": False,
        "socketId": None,
        "devices": 0,
    }

    phone = dial_once(bob)
    watcher.presence("user:online", bob)
    answer = watcher.ask("presence:watch", {"userIds": [bob, nobody, f"USR_{alice}"]})
    assert answer == {"success": True, "online": {bob: True, nobody: False, f"USR_{alice}": True}}
    online = server.get(f"/api/users/{bare(bob)}/online")
    assert (online["userId"], online["isOnline"], online["devices"]) == (bare(bob), True, 1)
    assert isinstance(online["socketId"], str)

    phone.close()
    offline = watcher.presence("user:offline", bob)
    assert abs(offline["timestamp"] - time.time() * 1000) < 60_000
    assert server.get(f"/api/users/{bob}/online")["isOnline"] is False


@pytest.mark.parametrize("library", list(LIBRARIES))
def test_a_polling_phone_that_slept_is_told_of_a_crowd_and_stays(
    open_lane: OpenLane, library: str, server: Server, user: Make
) -> None:
    sleeping = open_lane(library, "polling")
    others = open_lane("python" if library == "js" else "js", "websocket")
    watcher, crowd = dialler(sleeping, server)(user()), [user() for _ in range(40)]
    dial = dialler(others, server)
    with sleeping.program.asleep():
        for one in crowd:
            dial(one)
    for one in crowd:
        watcher.presence("user:online", one)
    watcher.quiet()
    for lane in (sleeping, others):
        lane.program.hang_up()


def test_phones_on_different_libraries_talk_to_each_other(
    open_lane: OpenLane, server: Server, user: Make, call_id: Make
) -> None:
    lanes = [
        open_lane(library, transports)
        for library, transports in (
            ("java", "upgrade"),
            ("js", "polling"),
            ("python", "websocket"),
            ("js-4.0", "upgrade"),
        )
    ]
    dial = dialler(lanes[0], server)
    users = [user() for _ in lanes]
    phones: list[Phone] = [dial(name, lane=lane) for name, lane in zip(users, lanes, strict=True)]
    for at, caller in enumerate(phones):
        receiver, receiver_id, call = phones[at - 1], users[at - 1], call_id()
        ring(caller, receiver, receiver_id, call)
        receiver.do("call:accept", call, "accepted")
        caller.expect("call:accepted")
        caller.do("call:end", call, "ended")
        assert receiver.expect("call:ended")["endedBy"] == users[at]
    for phone in phones:
        phone.quiet()
        phone.close()


def test_a_call_to_oneself_is_refused(dial_once: Dial, user: Make, call_id: Make) -> None:
    alice = user()
    answer = initiate(dial_once(alice), f"USR_{alice}", call_id())
    assert answer is not None
    assert (answer["success"], answer["code"]) == (False, "forbidden")
