"""Deadlines, with the clock passed in: each fires in time, once, for the right reason, whatever the wall clock does.

A deadline fires at most two sweeps after it passed: `LATE`.
"""

from collections.abc import Callable

import pytest

from onlycare_socket.calls.terms import Terms
from tests.calls.situations import ANA, BEA, OTHER, Scene, set_up
from tests.calls.test_table import stop
from tests.phones import SWEEP, Exchange, Phone

LATE = 2 * SWEEP


class TestTheRing:
    def test_it_ends_after_its_time_and_not_before(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(29.9)
        assert bea.new() == ["call:incoming"]
        exchange.wait(0.1 + LATE)
        assert ana.new() == ["ack", "call:timeout/no_answer"]
        assert bea.new() == stop("no_answer")
        assert exchange.reports() == ["ring_ended"]
        assert exchange.push.cancelled == ["17"]

    def test_the_words_of_each_side(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(31)
        assert ana.heard[-1].payload["reason"] == "No answer"
        assert {heard.payload["reason"] for heard in bea.heard[-2:]} == {"Timeout"}
        assert "endedBy" not in bea.heard[-1].payload

    def test_it_has_the_time_of_the_settings(self) -> None:
        exchange = Exchange(Terms(ring_timeout=5_000))
        ana = exchange.phone(ANA)
        assert ana.dial(BEA)["expiresAt"] == exchange.clock.wall() + 5_000
        exchange.wait(5 + LATE)
        assert ana.new()[-1] == "call:timeout/no_answer"

    def test_it_tells_nobody_twice(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(31)
        ana.new()
        bea.new()
        exchange.wait(3_600)
        assert (ana.new(), bea.new(), exchange.reports()) == ([], [], ["ring_ended"])

    @pytest.mark.parametrize("channel", ["socket", "backend"])
    def test_an_accept_by_any_channel_stops_it(self, exchange: Exchange, ana: Phone, bea: Phone, channel: str) -> None:
        ana.dial(BEA)
        exchange.wait(29)
        if channel == "socket":
            bea.accept()
        else:
            exchange.accepted(ANA, BEA)
        exchange.wait(3_600)
        assert exchange.call().state.value == "accepted"

    def test_a_dialling_device_that_is_away_is_told_later(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(20)
        ana.leave()
        exchange.wait(11)
        assert exchange.phone(ANA).new() == ["call:ended/no_answer"]

    @pytest.mark.parametrize(
        ("offered", "missed", "can_push", "code"),
        [
            (True, False, True, "no_answer"),
            (True, False, False, "no_answer"),
            (True, True, True, "no_answer"),
            (True, True, False, "unreachable"),
            (False, False, True, "no_answer"),
            (False, False, False, "unreachable"),
        ],
    )
    def test_no_answer_or_unreachable(
        self, exchange: Exchange, ana: Phone, offered: bool, missed: bool, can_push: bool, code: str
    ) -> None:
        exchange.push.can_wake = can_push
        if offered:
            bea = exchange.phone(BEA)
            exchange.wait(10)
            ana.dial(BEA)
            if missed:
                bea.session.probes.pop()(False)
        else:
            ana.dial(BEA)
        exchange.wait(31)
        assert ana.new()[-1] == f"call:timeout/{code}"
        assert ana.heard[-1].payload["reason"] == "No answer"

    def test_one_phone_that_is_there_makes_it_no_answer(self, exchange: Exchange, ana: Phone) -> None:
        exchange.push.can_wake = False
        silent = exchange.phone(BEA, "silent")
        exchange.wait(10)
        exchange.phone(BEA, "there")
        ana.dial(BEA)
        silent.session.probes.pop()(False)
        exchange.wait(31)
        assert exchange.call().code == "no_answer"


class TestTheCallersGrace:
    def test_a_caller_away_for_15_s_loses_his_ring(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(5)
        ana.leave()
        bea.new()
        exchange.wait(14.9)
        assert bea.new() == []
        exchange.wait(0.1 + LATE)
        assert bea.new() == stop("connection_lost")
        assert bea.heard[-1].payload["reason"] == "User disconnected"
        assert exchange.reports() == ["ring_ended"]

    def test_a_caller_back_in_time_keeps_it(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        exchange.wait(14)
        exchange.phone(ANA)
        exchange.wait(14)
        assert exchange.call().state.value == "ringing"

    def test_it_begins_anew_each_time(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        exchange.wait(10)
        exchange.phone(ANA).leave()
        exchange.wait(14)
        assert exchange.call().state.value == "ringing"
        exchange.wait(1 + LATE)
        assert exchange.call().code == "connection_lost"

    def test_another_device_of_his_will_do(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(ANA, "tablet")
        ana.dial(BEA)
        ana.leave()
        exchange.wait(20)
        assert exchange.call().state.value == "ringing"

    def test_it_never_moves_the_ring_deadline(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(20)
        ana.leave()
        exchange.wait(10 + LATE)
        assert exchange.call().code == "no_answer"

    def test_an_accept_meanwhile_ends_it(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        exchange.wait(10)
        bea.accept()
        exchange.wait(60)
        assert exchange.call().state.value == "accepted"

    def test_the_receiver_leaving_changes_nothing(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        before = exchange.call()
        bea.leave()
        exchange.wait(20)
        assert exchange.call().state is before.state
        assert set(exchange.timers()) == {"ring"}
        assert ana.new() == ["ack"]


class TestTheGraceOfATalk:
    def test_nobody_there_for_120_s(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.leave()
        bea.leave()
        exchange.reports()
        exchange.wait(119.9)
        assert exchange.call().state.value == "accepted"
        exchange.wait(0.1 + LATE)
        assert exchange.call().code == "connection_lost"
        assert exchange.reports() == ["lost"]

    @pytest.mark.parametrize("leaver", ["ana", "bea"])
    def test_one_who_is_there_keeps_it(self, exchange: Exchange, ana: Phone, bea: Phone, leaver: str) -> None:
        ana.dial(BEA)
        bea.accept()
        {"ana": ana, "bea": bea}[leaver].leave()
        exchange.wait(3_600)
        assert exchange.call().state.value == "accepted"
        assert {"ana": bea, "bea": ana}[leaver].new()[-1] in ("call:accepted", "ack"), "nobody is told"

    def test_it_runs_from_when_the_last_of_both_left(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.leave()
        exchange.wait(100)
        bea.leave()
        exchange.wait(119)
        assert exchange.call().state.value == "accepted"
        exchange.wait(1 + LATE)
        assert exchange.call().code == "connection_lost"

    def test_one_who_comes_back_ends_it(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.leave()
        bea.leave()
        exchange.wait(119)
        exchange.phone(BEA)
        assert "call_grace" not in exchange.timers()
        exchange.wait(3_600)
        assert exchange.call().state.value == "accepted"

    def test_one_who_answered_without_a_socket_has_no_grace(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        exchange.accepted(ANA, BEA)
        exchange.wait(3_600)
        assert exchange.call().state.value == "accepted", "the caller is there"

    @pytest.mark.parametrize("known", [True, False])
    def test_accepted_while_nobody_is_there(self, exchange: Exchange, known: bool) -> None:
        if known:
            ana = exchange.phone(ANA)
            ana.dial(BEA)
            ana.leave()
        exchange.accepted(ANA, BEA)
        exchange.wait(119)
        assert exchange.call().state.value == "accepted"
        exchange.wait(1 + LATE)
        assert exchange.call().code == "connection_lost"

    def test_no_device_rings_on_when_the_winner_was_open(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.accepted(ANA, BEA)
        ana.leave()
        bea.leave()
        exchange.wait(120 + LATE)
        assert exchange.legs(BEA) == {"1": "stopped"}
        assert exchange.phone(BEA).new() == ["call:ended/connection_lost"]

    def test_an_overtaking_accept_and_then_silence(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.accept()
        bea.leave()
        ana.dial(BEA)
        ana.leave()
        exchange.wait(120 + LATE)
        assert exchange.call().code == "connection_lost"


class TestLimits:
    def test_the_longest_call(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.new()
        bea.new()
        exchange.reports()
        exchange.wait(4 * 3_600 - 1)
        assert exchange.call().state.value == "accepted"
        exchange.wait(1 + LATE)
        assert ana.new() == ["call:ended/max_duration"]
        assert bea.new() == ["call:ended/max_duration"]
        assert exchange.reports() == ["hung_up"]
        assert ana.heard[-1].payload["durationMs"] >= 4 * 3_600_000
        assert "endedBy" not in ana.heard[-1].payload

    def test_a_wish_for_video_that_nobody_answers(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.upgrade()
        ana.new()
        exchange.wait(29.5)
        assert ana.new() == []
        exchange.wait(0.5 + LATE)
        [response] = ana.news()
        assert (response.name, response.payload["accepted"]) == ("call:upgrade:response", False)
        assert bea.answer_upgrade(True)["code"] == "conflict"
        assert ana.upgrade() == {"success": True, "callId": "CALL_17", "state": "accepted"}, "asked anew"

    def test_the_end_of_a_call_ends_every_timer(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.upgrade()
        bea.end()
        ana.new()
        exchange.wait(120)
        assert exchange.timers() == {}
        assert ana.new() == []


def in_caller_grace(scene: Scene) -> None:
    scene.dial()
    scene["a1"].leave()
    scene["a2"].leave()


def in_call_grace(scene: Scene) -> None:
    scene.answer()
    for name in ("a1", "a2", "b1", "b2"):
        scene[name].leave()


def asking(scene: Scene) -> None:
    scene.answer()
    scene["a1"].upgrade()


@pytest.mark.parametrize("jump", [3_600, -3_600])
@pytest.mark.parametrize(
    ("begin", "seconds", "kind"),
    [
        (Scene.dial, 30, "ring"),
        (in_caller_grace, 15, "caller_grace"),
        (in_call_grace, 120, "call_grace"),
        (asking, 30, "upgrade"),
        (Scene.answer, 4 * 3_600, "max_duration"),
    ],
    ids=("ring", "caller's grace", "grace of a talk", "upgrade", "max duration"),
)
def test_a_jump_of_the_wall_clock_moves_no_deadline(
    begin: Callable[[Scene], None], seconds: float, kind: str, jump: float
) -> None:
    scene = Scene()
    begin(scene)
    scene.exchange.wait(1)
    scene.exchange.clock.jump(jump)
    scene.exchange.wait(seconds - 2)
    assert kind in scene.exchange.timers()
    scene.exchange.wait(1 + LATE)
    assert kind not in scene.exchange.timers()


@pytest.mark.parametrize("jump", [3_600, -3_600])
def test_a_change_of_the_call_after_a_jump_moves_no_deadline(jump: float) -> None:
    """What is set later is put beside what runs already."""
    scene = Scene()
    scene.dial()
    scene.exchange.wait(10)
    scene.exchange.clock.jump(jump)
    scene["b1"].ringing()
    scene["a1"].leave()
    scene["a2"].leave()
    scene.exchange.wait(14)
    scene.exchange.phone(ANA)
    assert set(scene.exchange.timers()) == {"ring"}
    scene.exchange.wait(5)
    assert scene.exchange.call().state.value == "ringing"
    scene.exchange.wait(1 + LATE)
    assert scene.exchange.call().code == "no_answer"


def test_a_process_that_slept_fires_everything_that_passed() -> None:
    scene = set_up("ringing")
    other = scene.exchange.phone(OTHER)
    other.dial("USR_30", "CALL_2")
    scene.exchange.clock.run(86_400 / 2)
    scene.exchange.switchboard.sweep()
    assert [scene.exchange.call(each).code for each in ("CALL_17", "CALL_2")] == ["no_answer", "no_answer"]


def test_many_deadlines_at_once_are_swept_in_portions() -> None:
    exchange = Exchange()
    for number in range(2_500):
        exchange.phone(f"USR_{number}").dial("USR_99999" + str(number), f"CALL_{number}")
    exchange.clock.run(31)
    exchange.switchboard.sweep()
    assert len(exchange.live()) == 1_500
    exchange.switchboard.sweep()
    exchange.switchboard.sweep()
    assert exchange.live() == []
