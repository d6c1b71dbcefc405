"""Every step of a call stands in its timeline: who said what, where and how it went, what the server saw and did."""

import json
from typing import Any

import pytest

from onlycare_socket.adapters.kept import MAX_STEPS
from onlycare_socket.calls.call import Step
from onlycare_socket.calls.timeline import summary
from tests.calls.situations import ANA, BEA, OTHER, SITUATIONS, Scene
from tests.in_process import InProcess, pair, ring
from tests.phones import ID, Exchange, Phone

Line = tuple[str, str, str, str, str]


def lines(exchange: Exchange, call_id: str = ID) -> list[Line]:
    """What, who, device, channel and detail of every step, but for who was told."""
    return [line(step) for step in exchange.steps(call_id) if step.what != "told"]


def line(step: Step) -> Line:
    return (step.what, step.by, step.device.removeprefix("d:"), step.channel, step.detail)


def told(exchange: Exchange, call_id: str = ID) -> list[tuple[str, str, tuple[str, ...]]]:
    steps = [step for step in exchange.steps(call_id) if step.what == "told"]
    return [(step.detail, step.to, tuple(device.removeprefix("d:") for device in step.told)) for step in steps]


class TestWhatUsersSay:
    def test_reasons(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.reject(reason="driving")
        ana.cancel(reason="no time")
        assert lines(exchange)[1] == ("call:reject", BEA, "1", "socket", "reason: driving")
        assert lines(exchange)[-1] == ("call:cancel", ANA, "1", "socket", "duplicate"), "the outcome is what counts"

    def test_the_answer_to_a_wish_for_video(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        for accepted in (False, True):
            ana.upgrade()
            bea.answer_upgrade(accepted)
        bea.answer_upgrade(True)
        answers = [(by, detail) for what, by, _, _, detail in lines(exchange) if what == "call:upgrade:response"]
        assert answers == [(BEA, "no"), (BEA, "yes"), (BEA, "refused: conflict")]

    def test_dialling_again(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.dial(BEA)
        ana.dial(OTHER)
        bea.dial(ANA)
        exchange.phone(OTHER).dial(ANA)
        assert lines(exchange)[1:] == [
            ("call:initiate", ANA, "1", "socket", "duplicate"),
            ("call:initiate", ANA, "1", "socket", "refused: conflict"),
            ("call:initiate", BEA, "1", "socket", "refused: conflict"),
        ], "and nothing of a stranger, who could fill it"

    def test_dialling_again_after_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.dial(OTHER, "CALL_1")
        ana.dial(BEA)
        ana.dial(BEA)
        assert lines(exchange) == [
            ("call:initiate", ANA, "1", "socket", ""),
            ("busy", "", "", "server", f"{BEA} was in call CALL_1"),
            ("ended", "", "", "", "busy"),
            ("call:initiate", ANA, "1", "socket", "refused: busy"),
        ]

    def test_what_overtook_the_initiate(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.reject()
        exchange.wait(2)
        ana.dial(BEA)
        assert lines(exchange) == [
            ("call:reject", BEA, "1", "socket", "before it was dialled"),
            ("call:initiate", ANA, "1", "socket", "overtaken by reject"),
            ("ended", BEA, "", "", "declined"),
        ]
        first, second = exchange.steps()[:2]
        assert second.at - first.at == 2_000, "it has the time at which it was said"

    def test_an_accept_that_overtook_it(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.accept()
        ana.dial(BEA)
        assert lines(exchange) == [
            ("call:accept", BEA, "1", "socket", "before it was dialled"),
            ("call:initiate", ANA, "1", "socket", ""),
        ]


class TestWhatTheBackendAndTheOperatorSay:
    def test_who_which_device_and_why(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.accepted(ANA, OTHER)
        exchange.accepted(ANA, BEA, device="1")
        exchange.ended(ANA, BEA, by=BEA)
        exchange.rejected(ANA, BEA, reason="late")
        said = [each for each in lines(exchange) if each[3] == "backend"]
        assert said == [
            ("call-accepted", "", "", "backend", "refused: conflict"),
            ("call-accepted", "", "1", "backend", ""),
            ("call-ended", BEA, "", "backend", ""),
            ("call-rejected", "", "", "backend", "duplicate"),
        ]

    def test_a_reason(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.rejected(ANA, BEA, reason="on the road")
        assert lines(exchange)[1] == ("call-rejected", "", "", "backend", "reason: on the road")

    @pytest.mark.parametrize(
        ("say", "what", "by"), [("rejected", "call-rejected", BEA), ("cancelled", "call-cancelled", ANA)]
    )
    def test_a_word_that_overtook_the_initiate(
        self, exchange: Exchange, ana: Phone, bea: Phone, say: str, what: str, by: str
    ) -> None:
        if say == "rejected":
            exchange.rejected(ANA, BEA)
        else:
            exchange.cancelled(BEA, ANA)
        ana.dial(BEA)
        assert lines(exchange)[0] == (what, by, "", "backend", "before it was dialled")

    def test_an_accept_before_the_initiate(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.accept()
        exchange.accepted(ANA, BEA)
        ana.dial(BEA)
        assert lines(exchange) == [
            ("call:accept", BEA, "1", "socket", "before it was dialled"),
            ("call-accepted", "", "1", "backend", "before it was dialled"),
            ("call:initiate", ANA, "1", "socket", "already accepted"),
        ]

    def test_the_operator_twice(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.terminate()
        exchange.terminate()
        assert [each for each in lines(exchange) if each[3] == "operator"] == [
            ("end", "", "", "operator", ""),
            ("end", "", "", "operator", "duplicate"),
        ]


class TestWhatTheServerSees:
    def test_a_push_for_one_who_is_not_there(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        assert lines(exchange)[1:] == [("push", BEA, "", "server", "asked for: no phone is connected")]

    def test_a_push_that_nobody_sends(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.push.can_wake = False
        exchange.wait(10)
        ana.dial(BEA)
        bea.session.probes.pop()(False)
        assert lines(exchange)[1:] == [
            ("silent", BEA, "1", "", "it did not answer the ping"),
            ("push", BEA, "1", "server", "nobody pushes"),
        ]

    def test_a_phone_that_is_there(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.wait(10)
        ana.dial(BEA)
        version = exchange.call().version
        bea.session.probes.pop()(True)
        assert lines(exchange)[1:] == [("there", BEA, "1", "", "it answered the ping")]
        assert exchange.call().version == version, "it is a line, and nothing else"

    def test_coming_and_going_while_it_rings(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.speak()
        bea.leave()
        ana.leave()
        exchange.wait(10)
        exchange.phone(ANA)
        exchange.phone(BEA)
        assert lines(exchange)[1:] == [
            ("left", BEA, "", "", "no socket is left"),
            ("left", ANA, "", "", "no socket is left"),
            ("returned", ANA, "1", "", ""),
            ("connected", BEA, "1", "", ""),
        ]
        assert told(exchange) == [("call:incoming", BEA, ("1",))] * 2

    def test_what_is_told_again(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        tablet = exchange.phone(BEA, "tablet")
        ana.leave()
        tablet.leave()
        bea.accept()
        exchange.phone(ANA, "1")
        exchange.phone(BEA, "tablet")
        bea.end()
        assert [each for each in lines(exchange) if each[0] == "connected"] == [
            ("connected", BEA, "tablet", "", ""),
            ("connected", ANA, "1", "", ""),
            ("connected", BEA, "tablet", "", ""),
        ]

    def test_a_return_within_the_grace_says_it_all(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.leave()
        exchange.phone(ANA)
        assert lines(exchange)[2:] == [
            ("unheard", ANA, "1", "", "call:accepted"),
            ("left", ANA, "", "", "no socket is left"),
            ("returned", ANA, "1", "", ""),
        ]
        assert told(exchange)[-1] == ("call:accepted", ANA, ("1",))

    def test_who_only_connects_leaves_no_line(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        before = exchange.steps()
        exchange.phone(ANA, "tablet")
        exchange.phone(OTHER)
        assert exchange.steps() == before

    def test_stopping_a_ring_is_told_in_both_its_words(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(BEA, "tablet")
        ana.dial(BEA)
        bea.accept()
        ana.end()
        assert told(exchange) == [
            ("call:incoming", BEA, ("1", "tablet")),
            ("call:accepted", ANA, ("1",)),
            ("call:cancelled, call:ended", BEA, ("tablet",)),
            ("call:ended", BEA, ("1",)),
        ]


class TestDeadlines:
    def fired(self, exchange: Exchange) -> list[str]:
        return [detail for what, _, _, channel, detail in lines(exchange) if (what, channel) == ("deadline", "server")]

    def test_the_ring(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(31)
        assert self.fired(exchange) == ["it has rung long enough"]

    def test_the_callers_grace(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        exchange.wait(16)
        assert self.fired(exchange) == ["the caller has not come back in time"]

    def test_the_grace_of_a_talk(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.leave()
        exchange.wait(121)
        bea.leave()
        exchange.wait(121)
        assert self.fired(exchange) == [
            "one of the two is connected: it goes on",
            "neither of the two has come back in time",
        ]

    def test_the_longest_time_and_a_wish_for_video(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.upgrade()
        exchange.wait(4 * 3_600 + 1, sweep=10)
        assert self.fired(exchange) == [
            "the wish for video was not answered in time",
            "it has lasted as long as calls may",
        ]


class TestWhoGivesWay:
    def test_the_former_call_of_the_one_who_dials(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.dial(BEA, "CALL_2")
        assert lines(exchange)[1:] == [
            ("gave way", "", "", "server", f"{ANA} dialled call CALL_2"),
            ("ended", "", "", "", "superseded"),
        ]

    def test_two_who_dial_each_other(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.dial(ANA, "1")
        ana.dial(BEA)
        why = f"{BEA} was ringing {ANA} already in call 1, which goes on"
        assert lines(exchange)[1] == ("glare", "", "", "server", why)

    def test_a_call_that_the_backend_accepted_unknown(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.accepted(ANA, BEA, "CALL_2")
        assert lines(exchange)[1] == ("gave way", "", "", "server", "the backend accepted call CALL_2")


class TestBounds:
    def test_what_is_left_out_is_said_with_its_number(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        for _ in range(MAX_STEPS * 2):
            bea.accept()
        ana.end()
        steps = exchange.steps()
        said = 1 + 1 + 2 + MAX_STEPS * 2 + 3  # dialled, told; accepted, told; repeated; ended, ended, told
        left_out = said - (MAX_STEPS - 1)
        assert len(steps) == MAX_STEPS
        assert [(step.what, step.detail) for step in steps if step.what == "left out"] == [("left out", str(left_out))]
        assert (steps[0].what, steps[-3].what) == ("call:initiate", "call:end")
        assert summary(exchange.call(), steps).endswith(f" {left_out} steps in the middle are left out.")

    @pytest.mark.parametrize("name", [name for name in SITUATIONS if name != "unknown"])
    def test_no_agora_token_is_in_it(self, name: str) -> None:
        scene = Scene()
        SITUATIONS[name](scene)
        scene.exchange.terminate()
        assert "agora" not in repr(scene.exchange.steps())

    async def test_a_clients_reason_is_cut(self, server: InProcess) -> None:
        caller, receiver, call = await pair(server)
        await ring(caller, receiver, "USR_2", call)
        await receiver.ask("call:reject", {"callId": call, "reason": "x" * 5_000})
        timeline: dict[str, Any] = (await server.get(f"/api/calls/{call}/timeline"))[1]
        assert f"reason: {'x' * 200}" in [step.get("detail") for step in timeline["steps"]]
        assert "x" * 201 not in json.dumps(timeline)
