"""The timer wheel of calls: each deadline in its time, nothing lost, nothing left over."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from onlycare_socket.adapters.timers import AGAIN, SLOT, Timers
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.ids import CallId, Millis
from onlycare_socket.calls.states import DeadlineKind
from tests.ports.adapters import a_call

NOW: Final = 1_000.0
WALL: Final = Millis(1_790_000_000_000)


def ringing(id_: str, seconds: float) -> Call:
    return a_call(id_, ring_at=Millis(WALL + round(seconds * 1000)))


def test_nothing_is_due_at_first() -> None:
    assert Timers(NOW).due(NOW + 1_000, 10) == []


def test_a_deadline_is_due_within_a_slot_after_it_passed_and_never_before() -> None:
    timers = Timers(NOW)
    timers.set(ringing("1", 30), WALL, NOW)
    assert timers.due(NOW + 29.999, 10) == []
    assert timers.due(NOW + 30 + SLOT, 10) == [(CallId("1"), DeadlineKind.RING)]


def test_a_deadline_that_has_passed_already_is_due_at_once() -> None:
    timers = Timers(NOW)
    timers.set(ringing("1", -100), WALL, NOW)
    assert timers.due(NOW + 2 * SLOT, 10) == [(CallId("1"), DeadlineKind.RING)]


def test_a_call_without_deadlines_takes_no_memory() -> None:
    timers = Timers(NOW)
    timers.set(ringing("1", 30), WALL, NOW)
    timers.set(a_call("1", ring_at=None), WALL, NOW)
    assert len(timers) == 0
    assert timers.due(NOW + 100, 10) == []


def test_dropping_what_is_not_there_is_no_error() -> None:
    Timers(NOW).drop(CallId("1"))


def test_a_later_version_moves_the_deadline() -> None:
    timers = Timers(NOW)
    timers.set(ringing("1", 5), WALL, NOW)
    timers.set(ringing("1", 50), WALL, NOW)
    assert timers.due(NOW + 49, 10) == []
    assert timers.due(NOW + 50 + SLOT, 10) == [(CallId("1"), DeadlineKind.RING)]


def test_a_deadline_that_did_not_move_keeps_its_monotonic_time() -> None:
    """The wall clock went back an hour between two changes of the call."""
    timers = Timers(NOW)
    call = ringing("1", 30)
    timers.set(call, WALL, NOW)
    back = Millis(WALL - 3_600_000 + 10_000)
    timers.set(replace(call, caller_grace_at=Millis(back + 15_000)), back, NOW + 10)
    assert timers.due(NOW + 25 + SLOT, 10) == [(CallId("1"), DeadlineKind.CALLER_GRACE)]
    found = timers.due(NOW + 30 + SLOT, 10)
    assert (CallId("1"), DeadlineKind.RING) in found


def test_two_deadlines_of_one_call_that_passed_together() -> None:
    timers = Timers(NOW)
    timers.set(replace(ringing("1", 3), caller_grace_at=Millis(WALL + 3_000)), WALL, NOW)
    assert timers.due(NOW + 4, 10) == [
        (CallId("1"), DeadlineKind.RING),
        (CallId("1"), DeadlineKind.CALLER_GRACE),
    ]


def test_what_was_not_decided_on_comes_again() -> None:
    timers = Timers(NOW)
    timers.set(ringing("1", 30), WALL, NOW)
    assert timers.due(NOW + 31, 10) == [(CallId("1"), DeadlineKind.RING)]
    assert timers.due(NOW + 31 + AGAIN - SLOT, 10) == []
    assert timers.due(NOW + 31 + AGAIN + 2 * SLOT, 10) == [(CallId("1"), DeadlineKind.RING)]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_limit_delays_and_loses_nothing(limit: int) -> None:
    timers = Timers(NOW)
    for number in range(20):
        timers.set(ringing(str(number), number % 5), WALL, NOW)
    found: list[str] = []
    for _ in range(20 // limit + 1):
        found += [call for call, _ in timers.due(NOW + 6, limit)]
    assert sorted(found) == sorted(map(str, range(20)))


def test_a_long_sleep_is_caught_up_with() -> None:
    timers = Timers(NOW)
    timers.set(ringing("1", 30), WALL, NOW)
    timers.set(ringing("2", 80_000), WALL, NOW)
    assert timers.due(NOW + 86_400, 10) == [(CallId("1"), DeadlineKind.RING), (CallId("2"), DeadlineKind.RING)]


@given(
    deadlines=st.dictionaries(st.integers(0, 30), st.floats(-5, 60), max_size=20),
    moved=st.dictionaries(st.integers(0, 30), st.floats(0, 60), max_size=10),
    dropped=st.sets(st.integers(0, 30), max_size=5),
    steps=st.lists(st.floats(0.01, 5), min_size=1, max_size=40),
)
def test_every_deadline_is_named_once_it_passed_and_none_before(
    deadlines: dict[int, float], moved: dict[int, float], dropped: set[int], steps: list[float]
) -> None:
    timers, wanted = Timers(NOW), deadlines | moved
    for number, seconds in [*deadlines.items(), *moved.items()]:
        timers.set(ringing(str(number), seconds), WALL, NOW)
    for number in dropped:
        timers.drop(CallId(str(number)))
        wanted.pop(number, None)
    now, named = NOW, set()
    for step in [*steps, 70.0]:
        now += step
        for call, _ in timers.due(now, 1_000):
            assert NOW + wanted[int(call)] <= now + 0.001, "not before its time"
            named.add(int(call))
        for number, seconds in wanted.items():
            if NOW + max(seconds, 0.0) + SLOT <= now - 0.001:
                assert number in named, "not more than a slot late"
    assert named == set(wanted)


def test_nothing_is_left_of_calls_that_are_over() -> None:
    timers = Timers(NOW)
    for number in range(1_000):
        timers.set(ringing(str(number), number / 10), WALL, NOW)
    for number in range(1_000):
        timers.drop(CallId(str(number)))
    assert len(timers) == 0
    assert timers.due(NOW + 1_000, 10) == []
