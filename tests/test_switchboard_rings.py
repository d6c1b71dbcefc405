"""Is the phone really there, and who is pushed: what follows a ring (design section 3)."""

import pytest

from tests.calls.situations import ANA, BEA
from tests.phones import Exchange, Phone


class TestTheSignOfLife:
    def test_a_phone_heard_in_the_last_two_seconds_is_there(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.wait(2)
        ana.dial(BEA)
        assert bea.session.probes == []

    def test_any_other_is_asked(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.wait(2.25)
        ana.dial(BEA)
        assert len(bea.session.probes) == 1

    def test_a_phone_that_answers_is_not_pushed(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.wait(10)
        ana.dial(BEA)
        bea.session.probes.pop()(True)
        assert exchange.push.woken == []
        assert [(step.what, step.by, step.device) for step in exchange.steps()][2:] == [("there", BEA, bea.device)]

    def test_a_phone_that_is_silent_is_pushed_and_the_timeline_says_so(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        exchange.wait(10)
        ana.dial(BEA)
        bea.session.probes.pop()(False)
        assert exchange.push.woken == [("17", bea.device)]
        assert [(step.what, step.by, step.device, step.detail) for step in exchange.steps()][2:] == [
            ("silent", BEA, bea.device, "it did not answer the ping"),
            ("push", BEA, bea.device, "asked for: this phone is silent"),
        ]
        assert exchange.switchboard.counts["silent_phones"] == 1

    def test_the_caller_is_not_told_that_it_was_silent(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.wait(10)
        assert ana.dial(BEA)["success"] is True
        bea.session.probes.pop()(False)
        assert ana.new() == ["ack"]

    @pytest.mark.parametrize("how", ["cancel", "accept"])
    def test_a_phone_silent_after_the_ring_is_not_pushed(
        self, exchange: Exchange, ana: Phone, bea: Phone, how: str
    ) -> None:
        tablet = exchange.phone(BEA, "tablet")
        exchange.wait(10)
        ana.dial(BEA)
        if how == "cancel":
            ana.cancel()
        else:
            tablet.accept()
        bea.session.probes.pop()(False)
        assert exchange.push.woken == []

    def test_each_device_is_asked_for_itself(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(BEA, "tablet")
        exchange.wait(10)
        ana.dial(BEA)
        tablet.session.probes.pop()(False)
        bea.session.probes.pop()(True)
        assert exchange.push.woken == [("17", tablet.device)]

    def test_a_silent_phone_that_shows_the_call_after_all_counts(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        exchange.push.can_wake = False
        exchange.wait(10)
        ana.dial(BEA)
        bea.session.probes.pop()(False)
        bea.ringing()
        exchange.wait(31)
        assert exchange.call().code == "no_answer"

    def test_a_silent_phone_that_connects_again_rings_and_counts(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        exchange.push.can_wake = False
        exchange.wait(10)
        ana.dial(BEA)
        bea.session.probes.pop()(False)
        bea.leave()
        assert exchange.phone(BEA).new() == ["call:incoming"]
        exchange.wait(31)
        assert exchange.call().code == "no_answer"


class TestPush:
    def test_a_receiver_without_socket_is_pushed_once(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        assert exchange.push.woken == [("17", None)]
        assert exchange.switchboard.counts["rung_by_push"] == 1

    @pytest.mark.parametrize("how", ["cancel", "reject", "accept", "timeout", "backend"])
    def test_pushes_are_taken_back_when_the_ring_stops(
        self, exchange: Exchange, ana: Phone, bea: Phone, how: str
    ) -> None:
        ana.dial(BEA)
        if how == "timeout":
            exchange.wait(31)
        elif how == "backend":
            exchange.cancelled(BEA)
        else:
            getattr(ana if how == "cancel" else bea, how)()
        assert exchange.push.cancelled == ["17"]

    def test_an_open_winner_leaves_the_pushes_where_they_are(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.accepted(ANA, BEA)
        assert exchange.push.cancelled == []
        bea.accept()
        assert exchange.push.cancelled == ["17"]

    def test_a_refused_call_is_not_pushed(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA, "CALL_1")
        exchange.phone("USR_9").dial(BEA, "CALL_2")
        assert exchange.push.woken == [("1", None)]


class TestStopping:
    def test_a_device_that_was_stopped_is_not_stopped_again(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(BEA, "tablet")
        ana.dial(BEA)
        exchange.accepted(ANA, BEA)
        tablet.reject()
        assert tablet.new()[-2:] == ["call:cancelled/answered_elsewhere", "call:ended/answered_elsewhere"]
        bea.end()
        assert tablet.new() == []


class TestAPhoneThatCameBack:
    def test_its_dead_socket_does_not_make_it_silent(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.wait(10)
        ana.dial(BEA)
        back = exchange.phone(BEA, name="bea again")
        bea.session.probes.pop()(False)
        assert "call:incoming" in back.new()
        assert exchange.push.woken == []
        assert "silent" not in [step.what for step in exchange.steps()]
