"""A call in memory is packed once it has ended, and nobody can tell."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from onlycare_socket.adapters.kept import FIRST_STEPS, MAX_STEPS, Kept
from onlycare_socket.adapters.memory import UNPACKED
from onlycare_socket.calls.call import Call, Form, Leg, Step
from onlycare_socket.calls.ids import DeviceId, Millis, UserId
from onlycare_socket.calls.states import Code, LegState, State
from tests.calls.situations import ANA, BEA
from tests.phones import Exchange, Phone
from tests.ports.adapters import a_call

ENDED: Call = a_call(
    state=State.ENDED,
    version=7,
    accepted=2,
    ended=3,
    code=Code.COMPLETED,
    reason="\u00e4 reason",
    ended_by="USR_5",
    refused=True,
    winner_call="CALL_9",
    upgrade_by="5",
    ring_at=None,
    legs=(
        Leg(UserId("5"), DeviceId("d:1"), LegState.DIALLED, accepted=True),
        Leg(UserId("7"), DeviceId("t:x"), LegState.STOPPED, missed=True),
    ),
    forms=(Form(UserId("7"), DeviceId("t:x"), "CALL_1"),),
)


@given(st.lists(st.builds(Step, at=st.integers(0, 2**53), told=st.lists(st.text()).map(tuple)), max_size=20))
def test_a_packed_call_is_what_it_was(steps: list[Step]) -> None:
    kept = Kept(ENDED)
    for step in steps:
        kept.log(step)
    kept.pack()
    assert kept.packed
    assert (kept.call, kept.steps(), kept.ended) == (ENDED, tuple(steps), 3)
    assert type(kept.call.code) is Code
    assert type(kept.call.legs[0].state) is LegState
    kept.unpack()
    assert (kept.call, kept.steps()) == (ENDED, tuple(steps))


def test_text_that_cannot_be_packed_stays_and_harms_nobody() -> None:
    odd = replace(ENDED, reason="half a character: \ud800")
    kept = Kept(odd)
    kept.log(Step(Millis(1), "x"))
    kept.pack()
    assert (kept.packed, kept.call, kept.steps()) == (False, odd, (Step(Millis(1), "x"),))


def test_a_page_of_calls_unpacks_no_more_than_it_shows() -> None:
    exchange = Exchange()
    ana = exchange.phone(ANA)
    for number in range(UNPACKED + 50):
        ana.dial(BEA, f"CALL_{number}")
        ana.cancel(f"CALL_{number}")
    newest = exchange.store.newest()
    assert [next(newest).id for _ in range(UNPACKED + 2)] == [str(number) for number in range(UNPACKED + 49, 47, -1)]


def test_a_dropped_timeline_stays_dropped() -> None:
    for packed_first in (True, False):
        kept = Kept(ENDED)
        kept.log(Step(Millis(1), "x"))
        if packed_first:
            kept.pack()
        kept.drop_steps()
        if not packed_first:
            kept.pack()
        assert kept.steps() == ()
        kept.unpack()
        kept.log(Step(Millis(2), "late"))
        assert kept.steps() == ()


def test_a_long_timeline_keeps_its_beginning_and_its_end() -> None:
    kept = Kept(ENDED)
    for number in range(MAX_STEPS + 100):
        kept.log(Step(Millis(number), "x"))
    steps = kept.steps()
    assert [step.at for step in steps] == [*range(FIRST_STEPS + 1), *range(FIRST_STEPS + 101, MAX_STEPS + 100)]
    assert (steps[FIRST_STEPS].what, steps[FIRST_STEPS].detail) == ("left out", "101")


def after_many(ana: Phone, bea: Phone) -> None:
    """A declined call, and so many others behind it that it is packed."""
    ana.dial(BEA, "CALL_first")
    bea.reject("CALL_first", "not now")
    for number in range(UNPACKED + 5):
        ana.dial(BEA, f"CALL_{number}")
        ana.cancel(f"CALL_{number}")
    for phone in (ana, bea):
        phone.forget()


def test_a_late_command_on_a_packed_call_is_answered_and_noted() -> None:
    exchange = Exchange()
    ana, bea = exchange.phone(ANA), exchange.phone(BEA)
    after_many(ana, bea)
    before = exchange.steps("CALL_first")
    assert [step.what for step in before][:2] == ["call:initiate", "told"]
    for _ in range(3):
        answer = bea.accept("CALL_first")
        assert (answer["success"], answer["code"], answer["state"]) == (False, "declined", "ended")
    late = exchange.steps("CALL_first")
    assert late[: len(before)] == before
    assert [step.what for step in late[len(before) :]].count("call:accept") == 3
    call = exchange.call("CALL_first")
    assert (call.code, call.reason, call.agora_token) == (Code.DECLINED, "not now", "")


def test_a_phone_that_comes_back_is_told_of_a_packed_call_too() -> None:
    exchange = Exchange()
    ana, bea = exchange.phone(ANA), exchange.phone(BEA)
    ana.dial(BEA, "CALL_first")
    bea.leave()
    ana.cancel("CALL_first")
    others = [(exchange.phone(f"USR_{number}"), exchange.phone(f"USR_{number + 100}")) for number in range(10, 40)]
    for caller, receiver in others:
        caller.dial(receiver.shown, f"CALL_of{caller.shown}")
        caller.cancel(f"CALL_of{caller.shown}")
    back = exchange.phone(BEA)
    assert back.new() == ["call:ended/cancelled"]
