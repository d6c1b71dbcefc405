"""What a new process makes of the calls of a former one: `calls/restart.py`."""

from typing import Any

import pytest
from msgspec.structs import replace

from onlycare_socket.calls.call import Call, Leg
from onlycare_socket.calls.decision import View
from onlycare_socket.calls.ids import DeviceId, Millis, UserId
from onlycare_socket.calls.restart import not_kept, taken_up
from onlycare_socket.calls.states import Code, LegState, State
from onlycare_socket.calls.terms import Terms
from tests.phones import START
from tests.ports.adapters import a_call

TERMS = Terms()
NOW = Millis(START + 10_000)


def told(**fields: Any) -> Call:
    """A call of which both parties were told how it went on."""
    legs = (
        Leg(UserId("5"), DeviceId("d:1"), LegState.DIALLED, accepted=True),
        Leg(UserId("7"), DeviceId("d:2"), LegState.STOPPED, ended=True),
    )
    return a_call(legs=legs, **fields)


ENDED = told(state=State.ENDED, ended=Millis(START), code=Code.CANCELLED, ring_at=None)
ACCEPTED = told(state=State.ACCEPTED, accepted=Millis(START), ring_at=None, max_duration_at=Millis(START + 1_000_000))


@pytest.mark.parametrize("call", [ENDED, ACCEPTED])
def test_after_a_crash_nobody_counts_as_told_of_what_is_young(call: Call) -> None:
    """Whether a phone that fell silent had heard of it was known to the process that is gone."""
    restored, _ = taken_up(TERMS, NOW, call, clean=False)
    assert not any(leg.accepted or leg.ended for leg in restored.legs)
    assert [leg.state for leg in restored.legs] == [leg.state for leg in call.legs]
    assert restored.version > call.version


@pytest.mark.parametrize("call", [ENDED, ACCEPTED])
def test_after_a_clean_end_they_do(call: Call) -> None:
    assert taken_up(TERMS, NOW, call, clean=True)[0].legs == call.legs


@pytest.mark.parametrize("call", [ENDED, ACCEPTED])
def test_what_is_old_is_told_to_nobody_again(call: Call) -> None:
    later = Millis(START + TERMS.resume + 1)
    assert taken_up(TERMS, later, call, clean=False)[0].legs == call.legs


def test_the_device_that_ended_it_needs_not_be_told() -> None:
    restored, _ = taken_up(TERMS, NOW, replace(ENDED, ended_by="7", legs=by_seven()), clean=False)
    assert [leg.ended for leg in restored.legs] == [False, True, False]


def by_seven() -> tuple[Leg, ...]:
    """The caller, the device of the receiver that declined, and another one of his."""
    receiver = UserId("7")
    return (
        Leg(UserId("5"), DeviceId("d:1"), LegState.DIALLED, ended=True),
        Leg(receiver, DeviceId("d:2"), LegState.DECLINED, ended=True),
        Leg(receiver, DeviceId("d:3"), LegState.STOPPED, ended=True),
    )


def test_an_ended_call_stays_as_it_is() -> None:
    assert taken_up(TERMS, NOW, ENDED, clean=True) == (ENDED, None)


def test_a_call_that_was_not_kept_ends_and_says_nothing() -> None:
    decision = not_kept(TERMS, View(NOW, a_call(), {}))
    (call,) = decision.calls
    assert (call.state, call.code, call.agora_token, call.ring_at) == (State.ENDED, Code.UNAVAILABLE, "", None)
    assert decision.effects == ()


@pytest.mark.parametrize("call", [None, replace(a_call(), version=2), ENDED])
def test_one_that_went_on_meanwhile_is_left_alone(call: Call | None) -> None:
    assert not_kept(TERMS, View(NOW, call, {})).calls == ()
