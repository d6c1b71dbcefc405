"""What the switchboard does when something under it fails: everybody is answered, nothing is half done."""

from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from typing import Any
from unittest.mock import ANY, patch

import pytest

from onlycare_socket.calls import backend, rules
from onlycare_socket.calls.audit import Audit
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.decision import Decide, Decision, Note
from onlycare_socket.calls.ids import CallId, UserId
from onlycare_socket.calls.states import DeadlineKind
from onlycare_socket.ports import StoreUnavailable
from tests.calls.situations import ANA, BEA
from tests.calls.test_table import no
from tests.phones import ID, Exchange, Phone

Done = Callable[[Decision | StoreUnavailable], None]


class LostStore:
    """A store that is out of reach."""

    def transact(self, call: CallId | None, users: tuple[UserId, ...], decide: Decide, done: Done) -> None:
        done(StoreUnavailable("gone"))

    def note(self, call: CallId, note: Note) -> None:
        """Nothing is kept here."""

    def due(self, limit: int, each: Callable[[CallId, DeadlineKind], None]) -> None:
        each(CallId("17"), DeadlineKind.RING)

    def find(self, call: CallId, done: Callable[[Call | None], None]) -> None:
        done(None)


class LateStore:
    """A store that keeps its promise later, as a durable one does: `catch_up` runs what waits."""

    def __init__(self, exchange: Exchange) -> None:
        self._store = exchange.store
        self.waiting: list[tuple[CallId | None, tuple[UserId, ...], Decide, Done]] = []
        self.note = exchange.store.note
        self.due = exchange.store.due
        self.find = exchange.store.find

    def transact(self, call: CallId | None, users: tuple[UserId, ...], decide: Decide, done: Done) -> None:
        self.waiting.append((call, users, decide, done))

    def catch_up(self) -> None:
        while self.waiting:
            self._store.transact(*self.waiting.pop(0))


class StoreOnDisk:
    """A store that decides at once and tells when it is on disk, as SQLite's does: `commit` tells what waits."""

    def __init__(self, exchange: Exchange) -> None:
        self._store = exchange.store
        self._waiting: list[Callable[[], None]] = []
        self.note = exchange.store.note
        self.due = exchange.store.due
        self.find = exchange.store.find

    def transact(self, call: CallId | None, users: tuple[UserId, ...], decide: Decide, done: Done) -> None:
        self._store.transact(call, users, decide, lambda decision: self._waiting.append(partial(done, decision)))

    def commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()


class TestWithoutTheStore:
    @pytest.fixture
    def exchange(self, monkeypatch: pytest.MonkeyPatch) -> Exchange:
        exchange = Exchange()
        monkeypatch.setattr(exchange.switchboard, "_store", LostStore())
        return exchange

    @pytest.mark.parametrize("command", ["accept", "reject", "cancel", "end", "ringing", "upgrade"])
    def test_every_command_is_refused_as_unavailable(self, exchange: Exchange, command: str) -> None:
        phone = exchange.phone(ANA)
        answer = getattr(phone, command)()
        assert answer == {"success": False, "error": ANY, "code": "unavailable", "callId": ID}
        assert phone.new() == ["ack"]

    def test_an_initiate_too_and_nobody_rings(self, exchange: Exchange) -> None:
        ana, bea = exchange.phone(ANA), exchange.phone(BEA)
        assert ana.dial(BEA)["code"] == "unavailable"
        assert bea.new() == []

    def test_the_backend_is_answered(self, exchange: Exchange) -> None:
        answer, emitted = exchange.accepted(ANA, BEA)
        assert (answer["code"], emitted) == ("unavailable", False)

    def test_coming_going_and_deadlines_are_survived(self, exchange: Exchange) -> None:
        exchange.phone(ANA).leave()
        exchange.switchboard.sweep()
        assert exchange.switchboard.counts["store_unavailable"] > 0


class TestAFaultInTheRules:
    @pytest.fixture
    def faulty(self) -> Iterator[Exchange]:
        exchange = Exchange()
        exchange.phone(ANA, name="ana").dial(BEA)
        # The last that the rules look at, when all is decided.
        with patch.dict(rules.EVENT_NAMES, clear=True), patch.dict(backend.EVENT_NAMES, clear=True):
            yield exchange

    def test_the_sender_learns_that_it_was_ours_and_nothing_else(
        self, faulty: Exchange, log_lines: list[MutableMapping[str, Any]]
    ) -> None:
        bea = faulty.phone(BEA)
        before = faulty.call()
        log_lines.clear()
        answer = bea.accept()
        assert answer == {"success": False, "error": "Internal error", "code": "internal", "callId": ID}
        assert faulty.call() == before
        [line] = log_lines
        assert (line["event"], line["command"]) == ("decision failed", "Accept")

    def test_the_backend_learns_it_too(self, faulty: Exchange, log_lines: list[MutableMapping[str, Any]]) -> None:
        answer, emitted = faulty.cancelled(BEA)
        assert (answer["code"], emitted) == ("internal", False)


class TestAnEffectThatFails:
    def test_the_phone_rings_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch, log_lines: list[MutableMapping[str, Any]]
    ) -> None:
        exchange = Exchange()
        ana, bea, carl = exchange.phone(ANA), exchange.phone(BEA), exchange.phone("9")
        ana.dial(BEA, "1")

        def fail(_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(exchange.backend, "report", fail)
        assert ana.dial("9", "2")["success"] is True
        assert carl.new() == ["call:incoming"]
        assert bea.new() == ["call:incoming", "call:cancelled/superseded", "call:ended/superseded"]
        assert [line["event"] for line in log_lines] == ["effect failed"]
        assert exchange.switchboard.counts["effects_failed"] == 1


class TestAStoreThatTakesItsTime:
    """Save, then look: whoever comes while the call is on its way to disk rings, and rings once."""

    @pytest.fixture
    def late(self, monkeypatch: pytest.MonkeyPatch) -> tuple[Exchange, LateStore, Phone]:
        exchange = Exchange()
        ana = exchange.phone(ANA)
        store = LateStore(exchange)
        exchange.answers_later = True
        monkeypatch.setattr(exchange.switchboard, "_store", store)
        return exchange, store, ana

    def test_a_device_that_connects_before_the_save_is_rung_once(self, late: tuple[Exchange, LateStore, Phone]) -> None:
        exchange, store, ana = late
        ana.dial(BEA)
        bea = exchange.phone(BEA)
        store.catch_up()
        assert bea.new() == ["call:incoming"]
        assert ana.heard[0].payload["success"] is True, "the look comes after the save"

    def test_a_device_that_leaves_before_the_save_makes_it_an_offline_call(
        self, late: tuple[Exchange, LateStore, Phone]
    ) -> None:
        exchange, store, ana = late
        bea = exchange.phone(BEA)
        ana.dial(BEA)
        bea.leave()
        store.catch_up()
        assert ana.heard[0].payload["useFcmFallback"] is True
        assert exchange.push.woken == [("17", None)]

    def test_two_accepts_at_once_have_one_winner(self, late: tuple[Exchange, LateStore, Phone]) -> None:
        exchange, store, ana = late
        phones = [exchange.phone(BEA, device) for device in ("phone", "tablet")]
        ana.dial(BEA)
        store.catch_up()
        for phone in phones:
            phone.accept()
        store.catch_up()
        acks = [next(heard.payload for heard in phone.heard if heard.name == "ack") for phone in phones]
        assert acks[0]["state"] == "accepted"
        assert acks[1] == no("answered_elsewhere", "accepted")

    def test_accept_and_cancel_at_once_have_one_winner(self, late: tuple[Exchange, LateStore, Phone]) -> None:
        exchange, store, ana = late
        bea = exchange.phone(BEA)
        ana.dial(BEA)
        store.catch_up()
        ana.cancel()
        bea.accept()
        store.catch_up()
        assert exchange.call().code == "cancelled"
        assert bea.new() == [
            "call:incoming",
            "call:cancelled/cancelled",
            "call:ended/cancelled",
            "ack",
            "call:ended/cancelled",
        ]


class TestARingThatTheRulesHaveOvertaken:
    """The call is over, or another device has it, when the ring is at last written: the stop follows it at once."""

    @pytest.fixture
    def disk(self, monkeypatch: pytest.MonkeyPatch) -> tuple[Exchange, StoreOnDisk, Phone]:
        exchange = Exchange()
        ana = exchange.phone(ANA)
        store = StoreOnDisk(exchange)
        exchange.answers_later = True
        monkeypatch.setattr(exchange.switchboard, "_store", store)
        return exchange, store, ana

    def test_no_device_rings_for_a_call_that_was_cancelled(self, disk: tuple[Exchange, StoreOnDisk, Phone]) -> None:
        exchange, store, ana = disk
        bea = exchange.phone(BEA)
        ana.dial(BEA)
        ana.cancel()
        store.commit()
        assert bea.new() == ["call:incoming", "call:cancelled/cancelled", "call:ended/cancelled"]
        assert exchange.legs(BEA) == {"1": "stopped"}
        assert Audit().look(exchange.call()) == []

    def test_a_phone_that_never_heard_the_stop_is_told_when_it_is_back(
        self, disk: tuple[Exchange, StoreOnDisk, Phone]
    ) -> None:
        exchange, store, ana = disk
        bea = exchange.phone(BEA)
        ana.dial(BEA)
        ana.cancel()
        store.commit()
        bea.leave()
        back = exchange.phone(BEA)
        store.commit()
        assert back.new() == ["call:ended/cancelled"]

    def test_no_other_device_rings_for_a_call_that_was_answered(
        self, disk: tuple[Exchange, StoreOnDisk, Phone]
    ) -> None:
        exchange, store, ana = disk
        bea, tablet = exchange.phone(BEA), exchange.phone(BEA, "tablet")
        ana.dial(BEA)
        bea.accept()
        store.commit()
        assert tablet.new() == ["call:incoming", "call:cancelled/answered_elsewhere", "call:ended/answered_elsewhere"]
        assert exchange.legs(BEA) == {"1": "accepted", "tablet": "stopped"}
        ana.end()
        store.commit()
        assert Audit().look(exchange.call()) == []
