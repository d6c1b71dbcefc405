"""What every `CallLog` promises: the calls of a user and of all, newest first, and the steps of one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from msgspec.structs import replace

from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.decision import Decision
from onlycare_socket.calls.ids import CallId, Millis, UserId
from onlycare_socket.calls.states import Code, State
from tests.phones import START
from tests.ports.adapters import STORES, Stored, Transactions, a_call, put


@pytest.fixture(params=STORES)
def stored(request: pytest.FixtureRequest) -> Iterator[Stored]:
    make: Callable[[], AbstractContextManager[Stored]] = STORES[request.param]
    with make() as stored:
        yield stored


@pytest.fixture
def calls(stored: Stored) -> Transactions:
    return Transactions(stored)


def over(call: Call) -> Call:
    return replace(call, version=2, state=State.ENDED, ended=call.created, code=Code.CANCELLED, ring_at=None)


def of_user(stored: Stored, user: str, limit: int = 20) -> list[str]:
    found: list[tuple[Call, ...]] = []
    stored.log.of_user(UserId(user), limit, found.append)
    stored.settle()
    assert len(found) == 1
    return [call.id for call in found[0]]


def recent(stored: Stored, limit: int = 20) -> list[str]:
    found: list[tuple[Call, ...]] = []
    stored.log.recent(limit, found.append)
    assert len(found) == 1
    return [call.id for call in found[0]]


def steps(stored: Stored, call: str) -> tuple[Step, ...]:
    found: list[tuple[Step, ...]] = []
    stored.log.timeline(CallId(call), found.append)
    stored.settle()
    assert len(found) == 1
    return found[0]


class TestTheCallsOfAUser:
    def test_those_that_ended_before_a_time_are_left_out_on_demand(self, stored: Stored, calls: Transactions) -> None:
        for number in (1, 2, 3):
            call = a_call(str(number), created=START + number)
            calls.run(put(call), call.id)
            calls.run(put(over(call)), call.id)
        calls.run(put(a_call("4")), "4")
        found: list[tuple[Call, ...]] = []
        stored.log.of_user(UserId("5"), 20, found.append, Millis(START + 2))
        assert [call.id for call in found[0]] == ["4", "3", "2"]

    def test_nothing_of_one_who_has_none(self, stored: Stored) -> None:
        assert of_user(stored, "5") == []

    def test_the_live_one_first_then_the_ended_ones_newest_first(self, stored: Stored, calls: Transactions) -> None:
        first = a_call("1")
        calls.run(put(first), "1")
        calls.run(put(over(first)), "1")
        calls.run(put(a_call("2")), "2")
        calls.run(put(over(a_call("3"))), "3")
        assert of_user(stored, "5") == of_user(stored, "7") == ["2", "3", "1"]
        assert of_user(stored, "9") == []

    def test_at_most_so_many(self, stored: Stored, calls: Transactions) -> None:
        for number in range(30):
            calls.run(put(over(a_call(str(number)))), str(number))
        assert of_user(stored, "5", 3) == ["29", "28", "27"]
        assert len(of_user(stored, "5", 20)) == 20

    def test_the_live_one_is_there_however_many_came_after_it(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(a_call("live")), "live")
        for number in range(30):
            refused = over(a_call(str(number), caller=f"c{number}"))
            calls.run(put(refused), str(number))
        assert of_user(stored, "7")[0] == "live"

    def test_none_that_ended_more_than_a_day_ago(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(over(a_call())))
        stored.clock.run(86_500)
        calls.due()
        assert of_user(stored, "5") == []


class TestAllCalls:
    def test_live_calls_then_ended_ones_newest_first(self, stored: Stored, calls: Transactions) -> None:
        for number in range(4):
            call = a_call(str(number), f"a{number}", f"b{number}")
            calls.run(put(call), str(number))
            if number % 2 == 0:
                calls.run(put(over(call)), str(number))
        assert recent(stored) == ["3", "1", "2", "0"]
        assert recent(stored, 3) == ["3", "1", "2"]
        assert stored.log.live_count() == 2

    def test_nothing(self, stored: Stored) -> None:
        assert recent(stored) == []
        assert stored.log.live_count() == 0


class TestTimelines:
    def test_the_steps_of_a_call_in_order(self, stored: Stored, calls: Transactions) -> None:
        first, second = Step(at=START, what="a"), Step(at=START, what="b", told=("d:1",))
        calls.run(lambda view: Decision(calls=(a_call(),), steps=((CallId("1"), first),)))
        calls.run(lambda view: Decision(steps=((CallId("1"), second),)))
        assert steps(stored, "1") == (first, second)

    def test_steps_of_two_calls_in_one_decision(self, stored: Stored, calls: Transactions) -> None:
        step = Step(at=START, what="a")
        both = (a_call("1", "5", "7"), a_call("2", "8", "9"))
        calls.run(lambda view: Decision(calls=both, steps=((CallId("1"), step), (CallId("2"), step))))
        assert steps(stored, "1") == steps(stored, "2") == (step,)

    def test_an_unknown_call_has_none(self, stored: Stored, calls: Transactions) -> None:
        calls.run(lambda view: Decision(steps=((CallId("1"), Step(at=START, what="a")),)))
        assert steps(stored, "1") == ()

    def test_steps_after_the_end_are_kept_too(self, stored: Stored, calls: Transactions) -> None:
        calls.run(put(over(a_call())))
        calls.run(lambda view: Decision(steps=((CallId("1"), Step(at=START, what="late")),)))
        assert [step.what for step in steps(stored, "1")] == ["late"]
