"""Tokens verified by Laravel, as the phones see it: when it is well, and in every kind of trouble.

The Android library gives up for good on a CONNECT_ERROR, so trouble must look like a lost network: the transport is
closed, and the phone comes back by itself when Laravel does.
"""

import itertools
import time
from collections.abc import Iterator
from typing import Final, get_args

import pytest

from .conftest import Lane, OpenLane
from .laravel_stand_in import PRIVATE, Behaviour, LaravelStandIn
from .libraries import TRANSPORTS
from .phones import Phone
from .server_process import Server
from .test_call_story import ring

pytestmark = pytest.mark.interop

TROUBLE: Final = ["down", *(kind for kind in get_args(Behaviour) if kind not in ("well", "401", "403"))]
PLAYED_ON: Final = [
    ("java", "upgrade"),
    ("java", "polling"),
    ("js", "upgrade"),
    ("js", "polling"),
    ("js", "websocket"),
    ("js-4.0", "upgrade"),
]
_numbers: Final = itertools.count(1)


@pytest.fixture
def laravel() -> Iterator[LaravelStandIn]:
    """A backend that is well until a test says otherwise."""
    stand_in = LaravelStandIn()
    yield stand_in
    stand_in.close()


@pytest.fixture
def verifying_server(laravel: LaravelStandIn) -> Iterator[Server]:
    """A server that asks this backend, set up as in production."""
    server = Server(LARAVEL_API_URL=laravel.url)
    server.start()
    yield server
    server.close()


@pytest.fixture
def lanes(open_lane: OpenLane) -> Iterator[list[Lane]]:
    """The libraries and transports that meet trouble together."""
    lanes = [open_lane(library, transports) for library, transports in PLAYED_ON]
    yield lanes
    for lane in lanes:
        lane.program.hang_up()


def sign_in(lane: Lane, server: Server, number: int, token: str = "") -> Phone:
    """Opens the phone of user `number`; waits for nothing."""
    auth = {"token": token or f"{number}|s3cret", "userId": f"USR_USR_{number}"}
    return lane.program.open(server.url, TRANSPORTS[lane.transports], auth, acks=True)


@pytest.mark.parametrize("suffix", ["", "/", "/api/v1", "/api/v1/"])
def test_laravel_is_asked_as_it_expects_to_be(suffix: str, laravel: LaravelStandIn, lanes: list[Lane]) -> None:
    server = Server(LARAVEL_API_URL=laravel.url + suffix)
    server.start()
    try:
        sign_in(lanes[0], server, 5).connected()
    finally:
        server.close()
    asked = [request for request in laravel.seen if request.authorization]
    assert [(request.method, request.path) for request in asked] == [("GET", "/api/v1/users/me")]
    assert asked[0].authorization == "Bearer 5|s3cret"
    assert asked[0].accept == "application/json"


def test_the_receiver_sees_the_name_laravel_gives_and_nothing_private(
    verifying_server: Server, lanes: list[Lane]
) -> None:
    alice, bob = next(_numbers), next(_numbers)
    caller = sign_in(lanes[0], verifying_server, alice).connected()
    receiver = sign_in(lanes[2], verifying_server, bob).connected()
    incoming = ring(caller, receiver, f"USR_USR_{bob}", f"CALL_{int(time.time())}0001")
    assert (incoming["callerId"], incoming["callerName"]) == (f"USR_{alice}", f"Asha {alice}")
    assert PRIVATE not in str(incoming)
    receiver.do("call:accept", incoming["callId"], "accepted")
    assert caller.expect("call:accepted")["receiverId"] == f"USR_{bob}"


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_closes_the_transport_and_phones_come_back_after_it(
    trouble: str, laravel: LaravelStandIn, verifying_server: Server, lanes: list[Lane]
) -> None:
    if trouble == "down":
        laravel.go_down()
    else:
        laravel.behaviour = trouble  # type: ignore[assignment]
    phones = [sign_in(lane, verifying_server, next(_numbers)) for lane in lanes]
    for lane, phone in zip(lanes, phones, strict=True):
        assert phone.disconnected() in lane.lost  # the first report of all: no CONNECT_ERROR came before it

    laravel.behaviour = "well"
    if trouble == "down":
        laravel.come_back()
    for lane, phone in zip(lanes, phones, strict=True):
        phone.connected_at_last(lane.lost)


def test_a_phone_known_to_the_server_comes_back_while_laravel_is_down(
    laravel: LaravelStandIn, verifying_server: Server, lanes: list[Lane]
) -> None:
    numbers = [next(_numbers) for _ in lanes]
    for lane, number in zip(lanes, numbers, strict=True):
        sign_in(lane, verifying_server, number).connected().close()
    laravel.go_down()
    for lane, number in zip(lanes, numbers, strict=True):
        sign_in(lane, verifying_server, number).connected()
    laravel.come_back()


@pytest.mark.parametrize("behaviour", ["401", "403"])
def test_a_refusal_of_laravel_is_final(
    behaviour: Behaviour, laravel: LaravelStandIn, verifying_server: Server, lanes: list[Lane]
) -> None:
    laravel.behaviour = behaviour
    for lane in lanes:
        refusal = sign_in(lane, verifying_server, next(_numbers)).refused()
        assert refusal["message"] == "Invalid token"
        assert refusal["data"]["code"]


def test_a_token_of_another_user_is_refused(verifying_server: Server, lanes: list[Lane]) -> None:
    for lane in lanes:
        number = next(_numbers)
        refusal = sign_in(lane, verifying_server, number, token=f"{number}7|s3cret").refused()
        assert refusal["message"] == "Invalid token"
