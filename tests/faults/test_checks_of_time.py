"""The checks that compare times: each passes what is right and names what is wrong."""

import pytest

from .tale import ANA, BEA, RING, Tale, ms, time_out
from .times import latest_end


@pytest.fixture
def tale() -> Tale:
    return Tale()


# ---------------------------------------------------------------- one_call_at_a_time


def dialled(tale: Tale, *calls: str) -> None:
    """Sent, and never acked."""
    for call in calls:
        tale.send(ANA, "call:initiate", call)


def test_two_live_calls_of_one_user(tale: Tale) -> None:
    dialled(tale, "CALL_1", "CALL_2")
    tale.see("CALL_1", 1.0, 2.0, "completed", acceptedAt=ms(1.1))
    tale.see("CALL_2", 1.9, 2.5, "completed", receiverId="USR_3", acceptedAt=ms(2.0))
    assert tale.broken() == ["one_call_at_a_time"]


def test_a_call_of_a_former_round_had_another_clock(tale: Tale) -> None:
    dialled(tale, "CALL_2")
    tale.see("CALL_1", 1.0, 3_600.0, "completed", acceptedAt=ms(1.1))
    tale.see("CALL_2", 1.9, 2.5, "completed", receiverId="USR_3", acceptedAt=ms(2.0))
    tale.see("CALL_3", 1.0, 3_600.0, "cancelled", receiverId="USR_4")
    assert tale.broken() == []


def test_one_call_after_the_other(tale: Tale) -> None:
    dialled(tale, "CALL_1", "CALL_2")
    tale.see("CALL_1", 1.0, 1.9, "superseded", acceptedAt=ms(1.1))
    tale.see("CALL_2", 1.9, 2.5, "completed", receiverId="USR_3", acceptedAt=ms(2.0))
    assert tale.broken() == []


# ---------------------------------------------------------------- rings_end_in_time


@pytest.mark.parametrize("after", [RING - 0.5, RING + 1.5])
def test_a_ring_that_is_too_short_or_too_long(tale: Tale, after: float) -> None:
    time_out(tale, after=after)
    assert tale.broken() == ["rings_end_in_time"]


def test_a_ring_that_outlives_its_time_whatever_its_end(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.at = began + RING + 2
    tale.ask(ANA, "call:cancel", "CALL_1", state="ended")
    tale.tell(BEA, "call:ended", "CALL_1", "cancelled")
    tale.see("CALL_1", began, tale.at, "cancelled")
    assert tale.broken() == ["rings_end_in_time"]


def test_an_outage_over_the_deadline_excuses_until_a_second_after_it(tale: Tale) -> None:
    tale.at = 2.0
    tale.add("outage")
    tale.at = 6.0
    tale.add("over")
    tale.add("outage")
    tale.at = 6.5
    tale.add("over")
    assert latest_end(tale.run, 1.0) == pytest.approx(7.5)
    assert latest_end(tale.run, 4.0) == pytest.approx(8.0)


def test_a_machine_that_stood_still_excuses_until_a_second_after_it(tale: Tale) -> None:
    tale.at = 8.0
    tale.add("stall", body={"seconds": 5.0})
    assert latest_end(tale.run, 1.0) == pytest.approx(9.0)
    assert latest_end(tale.run, 0.0) == pytest.approx(9.0)
    assert latest_end(tale.run, -2.0) == pytest.approx(2.0)


def test_an_outage_before_the_deadline_excuses_nothing(tale: Tale) -> None:
    tale.at = 1.5
    tale.add("outage")
    tale.at = 2.5
    tale.add("over")
    tale.at = 1.0
    time_out(tale, after=RING + 1.5)
    assert tale.broken() == ["rings_end_in_time"]


@pytest.mark.parametrize("after", [0.2, RING + 3.0])
def test_a_jump_of_the_clock_moves_no_timeout(after: float) -> None:
    tale = Tale(wall_jumps=True)
    time_out(tale, after=after)
    assert tale.broken() == ["rings_end_in_time"]


def test_times_of_a_clock_that_jumped_are_not_compared() -> None:
    tale = Tale(wall_jumps=True)
    time_out(tale)
    tale.see("CALL_1", 1.0, 3_605.0, "no_answer")
    assert tale.broken() == []


# ---------------------------------------------------------------- nobody_cut_off


def lose(tale: Tale, *, away: float, back: bool = False) -> None:
    """A ring that is given up when its caller has been away for so long; he may be back before."""
    tale.add("up", user=ANA, device="1")
    began = tale.dial("CALL_1")
    tale.add("down", user=ANA, device="1")
    left = tale.at
    if back:
        tale.at += 0.3
        tale.add("up", user=ANA, device="1")
    tale.at = left + away
    tale.tell(BEA, "call:ended", "CALL_1", "connection_lost")
    tale.tell(ANA, "call:ended", "CALL_1", "connection_lost")
    tale.see("CALL_1", began, left + away, "connection_lost")


def test_a_caller_who_is_away_for_the_whole_grace(tale: Tale) -> None:
    lose(tale, away=2.0)
    assert tale.broken() == []


@pytest.mark.parametrize(("away", "back"), [(1.0, False), (2.0, True)])
def test_a_caller_who_has_been_away_for_a_moment(tale: Tale, away: float, back: bool) -> None:
    lose(tale, away=away, back=back)
    assert tale.broken() == ["nobody_cut_off"]


def test_an_accepted_call_lives_on_while_one_party_is_connected(tale: Tale) -> None:
    tale.add("up", user=BEA, device="2")
    tale.see("CALL_1", 1.0, 9.0, "connection_lost", acceptedAt=ms(1.1))
    assert tale.broken() == ["nobody_cut_off"]
