"""What must hold of all calls: each breach is found, and repaired by an ordinary decision that everybody hears of."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from onlycare_socket.calls.audit import Audit, Finding
from onlycare_socket.calls.call import Call, Party
from onlycare_socket.calls.decision import Decision
from onlycare_socket.calls.ids import CallId, DeviceId, Millis, canonical_call, canonical_user
from onlycare_socket.calls.states import Flaw, LegState, State
from tests.calls.situations import BEA, OTHER, SITUATIONS, Scene
from tests.calls.test_table import stop
from tests.calls.test_timeline import told
from tests.phones import ID, Exchange, Phone


def spoil(exchange: Exchange, call_id: str = ID, **fields: Any) -> Call:
    """Does to a call what no rule does."""

    def decide(view: Any) -> Decision:
        return Decision(calls=(replace(view.call, version=view.call.version + 1, **fields),))

    exchange.store.transact(canonical_call(call_id), (), decide, lambda decision: None)
    return exchange.call(call_id)


def found(*calls: Call) -> list[tuple[str, str, str | None]]:
    audit = Audit()
    return [(finding.call, finding.flaw.value, finding.other) for call in calls for finding in audit.look(call)]


def second_call(exchange: Exchange, caller: str = OTHER, receiver: str = BEA, call_id: str = "CALL_18") -> Call:
    """Puts a ringing call beside the first one, whoever is in that."""
    first, now = exchange.call(), exchange.clock.wall()
    call = replace(
        first,
        id=canonical_call(call_id),
        version=1,
        state=State.RINGING,
        caller=Party(canonical_user(caller), caller, call_id, DeviceId("d:1")),
        receiver=Party(canonical_user(receiver), receiver, call_id),
        created=now,
        accepted=None,
        legs=(),
        ring_at=Millis(now + 30_000),
        max_duration_at=None,
    )
    exchange.store.transact(call.id, (), lambda view: Decision(calls=(call,)), lambda decision: None)
    return exchange.call(call_id)


class TestFinding:
    @pytest.mark.parametrize("name", [name for name in SITUATIONS if name != "unknown"])
    def test_nothing_is_wrong_with_a_call_of_the_rules(self, name: str) -> None:
        scene = Scene()
        SITUATIONS[name](scene)
        calls: list[tuple[Call, ...]] = []
        scene.exchange.log.recent(100, calls.append)
        assert found(*calls[0]) == []

    def test_a_ring_without_a_deadline(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        assert found(spoil(exchange, ring_at=None)) == [("17", "no_deadline", None)], "a grace is not enough"

    def test_a_talk_without_a_deadline(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        assert found(spoil(exchange, max_duration_at=None)) == [("17", "no_deadline", None)]

    @pytest.mark.parametrize("state", ["offered", "pushed", "shown"])
    def test_a_ring_after_the_end(self, exchange: Exchange, ana: Phone, bea: Phone, state: str) -> None:
        ana.dial(BEA)
        ana.cancel()
        legs = tuple(replace(leg, state=LegState(state)) for leg in exchange.call().legs if leg.user != ana.user)
        assert found(spoil(exchange, legs=legs)) == [("17", "rings_after_end", None)]

    def test_a_user_in_two_calls_whatever_he_is_in_them(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        first, second = exchange.call(), second_call(exchange)
        assert found(first, second) == [("17", "two_calls", "18")], "the newer rings on"
        assert found(second, first) == [("17", "two_calls", "18")], "whichever is seen first"
        assert found(first, first) == [], "a call is not beside itself"
        turned = replace(second, caller=second.receiver, receiver=second.caller)
        assert found(first, turned) == [("17", "two_calls", "18")]

    def test_a_talk_goes_on_rather_than_a_ring(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        assert found(exchange.call(), second_call(exchange)) == [("18", "two_calls", "17")]

    def test_the_same_two_in_two_calls_are_one_finding(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        call = exchange.call()
        assert found(call, replace(call, id=CallId("9"))) == [("17", "two_calls", "9")]

    def test_three_calls_leave_one(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        call = exchange.call()
        later = [replace(call, id=CallId(id_), created=Millis(call.created + at)) for id_, at in (("3", 3), ("2", 2))]
        assert found(call, *later) == [("17", "two_calls", "3"), ("2", "two_calls", "3")]


@pytest.fixture
def repair(exchange: Exchange) -> Callable[..., None]:
    def repair(flaw: Flaw, other: str | None = None, call: str = "17") -> None:
        exchange.switchboard.repair(Finding(CallId(call), flaw, CallId(other) if other else None))

    return repair


Repair = Callable[..., None]


class TestRepairing:
    def test_a_ring_gets_a_deadline(self, exchange: Exchange, ana: Phone, bea: Phone, repair: Repair) -> None:
        ana.dial(BEA)
        spoil(exchange, ring_at=None)
        exchange.wait(60)
        assert exchange.call().live
        repair(Flaw.NO_DEADLINE)
        assert exchange.timers() == {"ring": 30.0, "caller_grace": 15.0}
        exchange.wait(31)
        assert exchange.call().code == "no_answer"
        assert bea.new() == ["call:incoming", *stop("no_answer")]

    def test_a_talk_gets_a_deadline(self, exchange: Exchange, ana: Phone, bea: Phone, repair: Repair) -> None:
        ana.dial(BEA)
        bea.accept()
        spoil(exchange, max_duration_at=None)
        repair(Flaw.NO_DEADLINE)
        assert exchange.timers() == {"max_duration": 4 * 3_600.0, "call_grace": 120.0}
        exchange.wait(121)
        assert set(exchange.timers()) == {"max_duration"}, "both are there"

    def test_a_phone_that_still_rings_is_stopped(
        self, exchange: Exchange, ana: Phone, bea: Phone, repair: Repair
    ) -> None:
        ana.dial(BEA)
        ana.cancel()
        legs = tuple(replace(leg, state=LegState.OFFERED, ended=False) for leg in exchange.call().legs[1:])
        spoil(exchange, legs=legs)
        bea.new()
        repair(Flaw.RINGS_AFTER_END)
        assert bea.new() == stop("cancelled")
        assert exchange.legs(BEA) == {"1": "stopped"}
        assert exchange.push.cancelled == ["17", "17"]
        repair(Flaw.RINGS_AFTER_END)
        assert bea.new() == []

    def test_a_phone_that_was_told_is_not_told_again(
        self, exchange: Exchange, ana: Phone, bea: Phone, repair: Repair
    ) -> None:
        ana.dial(BEA)
        ana.cancel()
        spoil(exchange, legs=tuple(replace(leg, state=LegState.SHOWN) for leg in exchange.call().legs))
        bea.new()
        repair(Flaw.RINGS_AFTER_END)
        assert bea.new() == []
        assert exchange.legs(BEA) == {"1": "stopped"}

    def test_of_two_rings_one_ends(self, exchange: Exchange, ana: Phone, bea: Phone, repair: Repair) -> None:
        ana.dial(BEA)
        second_call(exchange)
        ana.new()
        bea.new()
        exchange.reports()
        repair(Flaw.TWO_CALLS, "18")
        assert ana.new() == ["call:ended/terminated_by_server"]
        assert bea.new() == stop("terminated_by_server")
        assert exchange.reports() == ["hung_up"]
        assert (exchange.call().code, exchange.call("CALL_18").state.value) == ("terminated_by_server", "ringing")
        assert set(exchange.timers("CALL_18")) == {"ring", "caller_grace"}, "who left may not have been noticed"
        assert exchange.steps("CALL_18")[-1].detail == "somebody was in another call as well, which was ended"

    def test_the_timeline_says_that_it_was_the_server(
        self, exchange: Exchange, ana: Phone, bea: Phone, repair: Repair
    ) -> None:
        ana.dial(BEA)
        second_call(exchange)
        repair(Flaw.TWO_CALLS, "18")
        steps = [(step.what, step.channel, step.detail) for step in exchange.steps() if step.channel == "server"]
        assert steps == [("repaired", "server", "somebody was in call 18 as well, which goes on")]
        assert " The server repaired a fault of its own: somebody was in call 18 as well, which goes on. " in told(
            exchange
        )

    @pytest.mark.parametrize("flaw", list(Flaw))
    @pytest.mark.parametrize("over", [True, False])
    def test_what_is_well_is_left_alone(
        self, exchange: Exchange, ana: Phone, bea: Phone, repair: Repair, flaw: Flaw, over: bool
    ) -> None:
        ana.dial(BEA)
        if over:
            ana.cancel()
        elif flaw is Flaw.TWO_CALLS:
            return
        before, steps = exchange.call(), exchange.steps()
        repair(flaw)
        repair(flaw, call="99")
        assert (exchange.call(), exchange.steps()) == (before, steps)
