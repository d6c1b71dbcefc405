"""Each check passes a record of what is right, and names what is wrong in one that is not."""

from pathlib import Path
from typing import Any

import pytest

from .checks import CHECKS, check
from .record import Run
from .tale import ANA, BEA, RING, Tale, decline, ms, talk, time_out


@pytest.fixture
def tale() -> Tale:
    return Tale()


def test_a_record_of_what_is_right_passes(tale: Tale) -> None:
    talk(tale, "CALL_1")
    time_out(tale, "CALL_2")
    decline(tale, "CALL_3")
    tale.add("probe", user=ANA, call="CALL_4")
    decline(tale, "CALL_4")
    tale.rest()
    assert check(tale.run) == []


def test_every_check_is_shown_to_fail_here() -> None:
    names = {each.__name__ for each in CHECKS}
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_checks*.py"))
    assert [name for name in names if f'["{name}"' not in text] == []


# ---------------------------------------------------------------- one_end


def test_two_parties_told_two_ends(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.tell(ANA, "call:timeout", "CALL_1", "no_answer")
    tale.tell(BEA, "call:cancelled", "CALL_1", "cancelled")
    tale.tell(BEA, "call:ended", "CALL_1", "cancelled")
    tale.see("CALL_1", began, began + RING, "cancelled")
    assert "one_end" in tale.broken()


def test_the_api_says_another_end_than_the_phones(tale: Tale) -> None:
    decline(tale)
    tale.see("CALL_1", 1.0, 1.1, "cancelled")
    assert tale.broken()[:1] == ["one_end"]


def test_the_dialling_phone_hears_its_end_twice(tale: Tale) -> None:
    decline(tale)
    tale.tell(ANA, "call:rejected", "CALL_1", "declined")
    assert tale.broken() == ["one_end"]


def test_what_only_one_device_is_told_is_no_end_of_the_call(tale: Tale) -> None:
    talk(tale)
    assert tale.broken() == []


# ---------------------------------------------------------------- every_initiate_ends


def test_a_call_that_is_live_at_the_end(tale: Tale) -> None:
    tale.dial("CALL_1")
    tale.tell(BEA, "call:cancelled", "CALL_1", "answered_elsewhere")
    tale.send(ANA, "call:end", "CALL_1")
    tale.see("CALL_1", 1.0, None)
    assert tale.broken() == ["every_initiate_ends"]


def test_a_call_to_somebody_offline_counts_too(tale: Tale) -> None:
    tale.ask(ANA, "call:initiate", "CALL_1", success=False, useFcmFallback=True, state="ringing")
    tale.send(ANA, "call:cancel", "CALL_1")
    tale.see("CALL_1", 1.0, None)
    assert tale.broken() == ["every_initiate_ends"]


def test_an_acked_call_that_nobody_knows(tale: Tale) -> None:
    tale.dial("CALL_1")
    tale.miss("CALL_1")
    assert "every_initiate_ends" in tale.broken()


def test_what_was_refused_promises_nothing(tale: Tale) -> None:
    tale.ask(ANA, "call:initiate", "CALL_1", success=False, code="unavailable")
    tale.miss("CALL_1")
    assert tale.broken() == []


# ---------------------------------------------------------------- no_ring_after_stop


def test_a_ring_after_a_stop(tale: Tale) -> None:
    talk(tale)
    tale.tell(BEA, "call:incoming", "CALL_1", device="2", connection=2)
    assert "no_ring_after_stop" in tale.broken()


def test_a_ring_after_the_device_has_declined(tale: Tale) -> None:
    decline(tale)
    tale.tell(BEA, "call:incoming", "CALL_1", connection=2)
    assert "no_ring_after_stop" in tale.broken()


def test_a_ring_while_the_answer_is_on_its_way_is_none(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.send(BEA, "call:reject", "CALL_1")
    tale.tell(BEA, "call:incoming", "CALL_1", connection=2)
    tale.ack(BEA, "CALL_1", state="ended")
    tale.tell(ANA, "call:rejected", "CALL_1", "declined")
    tale.see("CALL_1", began, tale.at, "declined")
    assert tale.broken() == []


def test_two_rings_on_one_connection(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.tell(BEA, "call:incoming", "CALL_1")
    tale.ask(BEA, "call:reject", "CALL_1", state="ended")
    tale.tell(ANA, "call:rejected", "CALL_1", "declined")
    tale.see("CALL_1", began, tale.at, "declined")
    assert tale.broken() == ["no_ring_after_stop"]


# ---------------------------------------------------------------- nobody_busy_for_nothing


def refuse(tale: Tale, call: str) -> None:
    at = tale.at
    tale.ask(ANA, "call:initiate", call, success=False, busy=True, code="busy", state="ended")
    tale.see(call, at, at, "busy")


def test_busy_without_any_call(tale: Tale) -> None:
    refuse(tale, "CALL_1")
    assert tale.broken() == ["nobody_busy_for_nothing"]


def test_busy_because_of_a_live_call(tale: Tale) -> None:
    began = tale.dial("CALL_1", "USR_3", BEA)
    refuse(tale, "CALL_2")
    tale.ask(BEA, "call:reject", "CALL_1", state="ended")
    tale.tell("USR_3", "call:rejected", "CALL_1", "declined")
    tale.see("CALL_1", began, tale.at, "declined", callerId="USR_3")
    assert tale.broken() == []


def test_busy_because_of_a_call_that_lived_for_no_millisecond(tale: Tale) -> None:
    began = tale.at
    tale.ask("USR_3", "call:initiate", "CALL_1", state="ringing")
    tale.tell("USR_3", "call:busy", "CALL_1")
    tale.ask(ANA, "call:initiate", "CALL_2", success=False, busy=True, code="busy", state="ended")
    tale.see("CALL_1", began, began, "busy", callerId="USR_3")
    tale.see("CALL_2", began, began, "busy")
    assert tale.broken() == []


def test_two_refused_calls_are_no_excuse_for_each_other(tale: Tale) -> None:
    at = tale.at
    for call in ("CALL_1", "CALL_2"):
        tale.ask(ANA, "call:initiate", call, success=False, busy=True, code="busy", state="ended")
        tale.see(call, at, at, "busy")
    assert tale.broken() == ["nobody_busy_for_nothing"]


def test_somebody_cannot_dial_at_the_end(tale: Tale) -> None:
    tale.add("probe", user=ANA, call="CALL_1")
    tale.ask(ANA, "call:initiate", "CALL_1", success=False, code="unavailable")
    assert tale.broken() == ["nobody_busy_for_nothing"]


def test_somebody_cannot_be_dialled_at_the_end(tale: Tale) -> None:
    tale.add("probe", user=ANA, call="CALL_1")
    began = tale.at
    tale.ask(ANA, "call:initiate", "CALL_1", state="ringing")
    tale.ask(ANA, "call:cancel", "CALL_1", state="ended")
    tale.see("CALL_1", began, tale.at, "cancelled")
    assert tale.broken() == ["nobody_busy_for_nothing"]


@pytest.mark.parametrize("health", [{"status": "OK", "activeCalls": 1}, {"status": "DEGRADED", "activeCalls": 0}])
def test_the_server_counts_live_calls_at_the_end(tale: Tale, health: dict[str, Any]) -> None:
    tale.add("health", body=health)
    assert tale.broken() == ["nobody_busy_for_nothing"]


# ---------------------------------------------------------------- what_was_said_holds


def test_an_acked_accept_that_a_restart_forgot(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.ask(BEA, "call:accept", "CALL_1", state="accepted")
    tale.at = ended = began + RING
    tale.tell(ANA, "call:timeout", "CALL_1", "no_answer")
    tale.tell(BEA, "call:ended", "CALL_1", "no_answer")
    tale.see("CALL_1", began, ended, "no_answer")
    assert tale.broken() == ["what_was_said_holds"]


def test_an_acked_reject_that_a_restart_forgot(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.ask(BEA, "call:reject", "CALL_1", state="ended")
    tale.ask(ANA, "call:end", "CALL_1", state="ended")
    tale.see("CALL_1", began, tale.at, "cancelled")
    assert tale.broken() == ["what_was_said_holds"]


def test_a_call_that_is_less_far_than_somebody_was_told_before(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.tell(ANA, "call:accepted", "CALL_1")
    tale.send(BEA, "call:sync", "")
    tale.ack(BEA, "", calls=[{"callId": "CALL_1", "state": "ringing"}])
    tale.ask(ANA, "call:end", "CALL_1", state="ended")
    tale.tell(BEA, "call:ended", "CALL_1", "completed")
    tale.see("CALL_1", began, tale.at, "completed", acceptedAt=ms(1.1))
    assert tale.broken() == ["what_was_said_holds"]


def test_an_answer_that_was_asked_for_before_may_be_older(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.send(BEA, "call:sync", "")
    tale.tell(ANA, "call:accepted", "CALL_1")
    tale.ack(BEA, "", calls=[{"callId": "CALL_1", "state": "ringing"}])
    tale.ask(ANA, "call:end", "CALL_1", state="ended")
    tale.tell(BEA, "call:ended", "CALL_1", "completed")
    tale.see("CALL_1", began, tale.at, "completed", acceptedAt=ms(1.1))
    assert tale.broken() == []


def test_one_phone_that_hears_a_call_go_back(tale: Tale) -> None:
    talk(tale)
    tale.tell(ANA, "call:accepted", "CALL_1")
    assert tale.broken() == ["what_was_said_holds"]


# ---------------------------------------------------------------- nobody_left_in_a_dead_call


def test_a_phone_that_rings_for_ever(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.tell(BEA, "call:incoming", "CALL_1", device="2")
    tale.ask(BEA, "call:reject", "CALL_1", state="ended")
    tale.tell(ANA, "call:rejected", "CALL_1", "declined")
    tale.see("CALL_1", began, tale.at, "declined")
    assert tale.broken() == ["nobody_left_in_a_dead_call"]


def test_a_caller_who_waits_for_ever(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.ask(BEA, "call:reject", "CALL_1", state="ended")
    tale.see("CALL_1", began, tale.at, "declined")
    assert tale.broken() == ["nobody_left_in_a_dead_call"]


def test_a_caller_who_has_dialled_anew_waits_for_nothing(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.tell(BEA, "call:ended", "CALL_1", "superseded")
    tale.see("CALL_1", began, tale.at, "superseded")
    decline(tale, "CALL_2")
    assert tale.broken() == []


def test_dialling_anew_excuses_no_silence_about_a_call_that_ended_otherwise(tale: Tale) -> None:
    began = tale.dial("CALL_1")
    tale.ask(BEA, "call:reject", "CALL_1", state="ended")
    tale.see("CALL_1", began, tale.at, "declined")
    decline(tale, "CALL_2")
    assert tale.broken() == ["nobody_left_in_a_dead_call"]


# ---------------------------------------------------------------- the rest


def test_a_phone_that_is_sent_away_for_good(tale: Tale) -> None:
    tale.add("refused", user=ANA, device="1", body={"packet": "41"})
    assert tale.broken() == ["nobody_sent_away"]


def test_an_event_that_breaks_the_contract(tale: Tale) -> None:
    tale.add("broken", user=ANA, device="1", body={"problem": "call:ended lacks code"})
    assert tale.broken() == ["nobody_sent_away"]


def test_a_server_that_does_not_stop(tale: Tale) -> None:
    tale.add("trouble", body={"text": "after SIGTERM it ended with 1, in 5.2 s"})
    assert tale.broken() == ["the_server_behaves"]


def test_a_record_is_the_same_when_it_is_read_again(tale: Tale, tmp_path: Path) -> None:
    talk(tale)
    tale.run.save(tmp_path / "record.jsonl")
    assert Run.load(tmp_path / "record.jsonl") == tale.run
