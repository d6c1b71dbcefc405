"""The auditor: rounds in slices, what it finds in a broken server, and that a healthy one hears nothing of it."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from msgspec.structs import replace

from onlycare_socket import auditor as auditor_module
from onlycare_socket.auditor import EVERY, Auditor
from onlycare_socket.calls.ids import CallId
from onlycare_socket.calls.states import Flaw, LegState
from tests.calls.situations import ANA, BEA
from tests.calls.test_audit import second_call, spoil
from tests.calls.test_table import stop
from tests.in_process import InProcess, pair, talk
from tests.phones import SWEEP, Exchange, Phone
from tests.test_metrics import scrape


@pytest.fixture
def auditor(exchange: Exchange) -> Auditor:
    return Auditor(store=exchange.store, log=exchange.log, switchboard=exchange.switchboard, clock=exchange.clock)


def play_round(exchange: Exchange, auditor: Auditor) -> None:
    """Lets time pass until a round is over."""
    rounds = auditor.rounds
    exchange.clock.run(EVERY)
    while auditor.rounds == rounds:
        auditor.beat()


def counts(auditor: Auditor) -> dict[str, int]:
    return {flaw: count for flaw, count in auditor.found.items() if count}


def test_a_round_begins_every_ten_seconds(exchange: Exchange, auditor: Auditor) -> None:
    for _ in range(round(95 / SWEEP)):
        exchange.wait(SWEEP)
        auditor.beat()
    assert auditor.rounds == 9


def test_a_healthy_server_has_no_findings(
    exchange: Exchange, auditor: Auditor, ana: Phone, bea: Phone, log_lines: list[MutableMapping[str, Any]]
) -> None:
    for number in range(20):
        ana.dial(BEA, f"CALL_{number}")
        if number % 2:
            bea.accept(f"CALL_{number}")
    play_round(exchange, auditor)
    assert auditor.found == {"no_deadline": 0, "two_calls": 0, "rings_after_end": 0}, "the metric shows them all"
    assert counts(auditor) == {}
    assert log_lines == []


def test_a_lost_deadline_is_found_repaired_counted_and_logged(
    exchange: Exchange, auditor: Auditor, ana: Phone, bea: Phone, log_lines: list[MutableMapping[str, Any]]
) -> None:
    ana.dial(BEA)
    spoil(exchange, ring_at=None)
    play_round(exchange, auditor)
    play_round(exchange, auditor)
    assert counts(auditor) == {"no_deadline": 1}
    assert log_lines == [
        {
            "event": "a call was not as it must be; repairing it",
            "log_level": "warning",
            "call": "17",
            "flaw": "no_deadline",
        }
    ]
    exchange.wait(31)
    assert bea.new() == ["call:incoming", *stop("no_answer")]


def test_a_user_in_two_calls_is_in_one_after_it(exchange: Exchange, auditor: Auditor, ana: Phone, bea: Phone) -> None:
    ana.dial(BEA)
    bea.accept()
    second_call(exchange)
    play_round(exchange, auditor)
    assert counts(auditor) == {"two_calls": 1}
    assert exchange.call("CALL_18").code == "terminated_by_server"
    assert exchange.call().live
    play_round(exchange, auditor)
    assert counts(auditor) == {"two_calls": 1}
    assert ana.dial(BEA, "CALL_20")["success"]


def test_whoever_is_in_the_call_that_goes_on_is_busy(
    exchange: Exchange, auditor: Auditor, ana: Phone, bea: Phone
) -> None:
    """The newer call is what the store shows of a user; here it is the older one that goes on."""
    ana.dial(BEA)
    bea.accept()
    second_call(exchange, caller=ANA, receiver="USR_50")
    play_round(exchange, auditor)
    assert exchange.call("CALL_18").code == "terminated_by_server"
    assert exchange.call().live
    assert exchange.phone("USR_9").dial(ANA, "CALL_21")["busy"] is True


def test_a_ring_after_the_end_is_stopped(exchange: Exchange, auditor: Auditor, ana: Phone, bea: Phone) -> None:
    ana.dial(BEA)
    ana.cancel()
    legs = tuple(replace(leg, state=LegState.OFFERED, ended=False) for leg in exchange.call().legs[1:])
    spoil(exchange, legs=legs)
    bea.new()
    play_round(exchange, auditor)
    assert counts(auditor) == {"rings_after_end": 1}
    assert bea.new() == stop("cancelled")


def test_a_call_that_ended_long_ago_is_not_looked_at(exchange: Exchange, auditor: Auditor, ana: Phone) -> None:
    """A bound: the newest thousand."""
    for number in range(1_001):
        ana.dial(BEA, f"CALL_{number}")
        ana.cancel(f"CALL_{number}")
    assert len(exchange.switchboard.lately_ended) == 1_000
    assert CallId("0") not in exchange.switchboard.lately_ended


class TestSlices:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(auditor_module, "SLICE", 10)
        monkeypatch.setattr(auditor_module, "REPAIRS", 4)

    def dial(self, exchange: Exchange, number: int) -> None:
        for each in range(number):
            exchange.phone(f"USR_{1_000 + each}").dial(f"USR_{2_000 + each}", f"CALL_{each}")

    def test_a_tick_looks_at_one_slice(self, exchange: Exchange, auditor: Auditor) -> None:
        self.dial(exchange, 25)
        exchange.clock.run(EVERY)
        for _ in range(3):
            auditor.beat()
            assert auditor.rounds == 0
        auditor.beat()
        assert auditor.rounds == 1

    def test_a_tick_repairs_so_many_and_the_next_rounds_the_others(self, exchange: Exchange, auditor: Auditor) -> None:
        self.dial(exchange, 10)
        for number in range(10):
            spoil(exchange, f"CALL_{number}", ring_at=None)
        found = []
        for _ in range(4):
            play_round(exchange, auditor)
            found.append(auditor.found["no_deadline"])
        assert found == [4, 8, 10, 10]

    def test_what_is_over_before_it_is_found_is_left_alone(
        self, exchange: Exchange, auditor: Auditor, ana: Phone, bea: Phone
    ) -> None:
        """Of two calls the one that is to go on ends while the round is on its way to the other."""
        ana.dial(BEA)
        bea.accept()
        self.dial(exchange, 15)
        second_call(exchange, call_id="CALL_30")
        exchange.clock.run(EVERY)
        auditor.beat()
        auditor.beat()
        ana.end()
        auditor.beat()
        auditor.beat()
        assert auditor.rounds == 1
        assert counts(auditor) == {}
        assert exchange.call("CALL_30").live

    def test_a_call_that_is_not_kept_any_more(self, exchange: Exchange, auditor: Auditor) -> None:
        exchange.switchboard.lately_ended.append(CallId("404"))
        play_round(exchange, auditor)
        assert counts(auditor) == {}


async def test_a_server_runs_it_and_shows_what_it_found(server: InProcess) -> None:
    caller, receiver, call = await pair(server)
    await talk(caller, receiver, "USR_2", call)
    server.pass_time(EVERY + 1)
    server.pass_time(SWEEP)
    numbers = await scrape(server)
    assert numbers["onlycare_audits_total"] == 1
    assert {flaw.value: numbers[f"onlycare_audit_findings_total{{flaw={flaw.value}}}"] for flaw in Flaw} == {
        "no_deadline": 0,
        "two_calls": 0,
        "rings_after_end": 0,
    }
