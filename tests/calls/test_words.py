"""The words of the backend and the operator, in every situation: what they change, whom they reach, and `emitted`.

Contract section 4: they hold in every live state; on an unknown call the named users are told all the same; on an
ended one, and repeated, they change nothing.
"""

from collections.abc import Callable
from itertools import product
from typing import Any
from unittest.mock import ANY

import pytest
from msgspec import Struct

from onlycare_socket.calls.ids import canonical_user
from tests.calls.situations import ANA, BEA, OVER, SITUATIONS, STRANGER, TALKING, Scene, set_up
from tests.calls.test_table import ON_ONE_PHONE, kept, no, ok, stop
from tests.phones import ID, Exchange

Answered = tuple[dict[str, Any], bool]

WORDS: dict[str, Callable[[Exchange], Answered]] = {
    "accepted": lambda exchange: exchange.accepted(ANA, BEA),
    "accepted on b1": lambda exchange: exchange.accepted(ANA, BEA, device="1"),
    "accepted on b2": lambda exchange: exchange.accepted(ANA, BEA, device="2"),
    "cancelled": lambda exchange: exchange.cancelled(BEA),
    "rejected": lambda exchange: exchange.rejected(ANA, BEA),
    "ended": lambda exchange: exchange.ended(ANA, BEA),
    "ended by the caller": lambda exchange: exchange.ended(ANA, BEA, by=ANA),
    "ended by the receiver": lambda exchange: exchange.ended(ANA, BEA, by=BEA),
    "operator": lambda exchange: exchange.terminate(),
}
ACCEPTING = ("accepted", "accepted on b1", "accepted on b2")
ENDING = ("cancelled", "rejected", "ended", "ended by the caller", "ended by the receiver")
ENDED_BY = {"ended by the caller": ANA, "ended by the receiver": BEA}


class Row(Struct, frozen=True, kw_only=True):
    """What a word does in some situations; who is not in `told` hears nothing."""

    says: str
    given: tuple[str, ...]
    word: tuple[str, ...]
    answer: dict[str, object]
    emitted: bool
    state: str
    told: dict[str, list[str]] = {}
    legs: dict[str, str] = {}
    timers: set[str] | None = None
    reports: list[str] = []

    def cases(self) -> list[tuple[str, str]]:
        return list(product(self.given, self.word))


RINGING = [
    Row(
        says="ringing | accept by the backend, no device | winner open; caller: accepted; no device is stopped",
        given=("ringing", "shown"),
        word=("accepted",),
        answer=ok("accepted"),
        emitted=True,
        state="accepted",
        told={"a1": ["call:accepted"]},
        timers={"call_grace", "max_duration"},
    ),
    *(
        Row(
            says="ringing | accept by the backend for a device | it won; the others: stop",
            given=("ringing", "shown"),
            word=(f"accepted on b{mine}",),
            answer=ok("accepted"),
            emitted=True,
            state="accepted",
            told={"a1": ["call:accepted"], f"b{other}": stop("answered_elsewhere")},
            legs={mine: "accepted", other: "stopped"},
            timers={"call_grace", "max_duration"},
        )
        for mine, other in (("1", "2"), ("2", "1"))
    ),
    Row(
        says="ringing | cancelled | receiver: stop; the dialling device: ended, should it not know",
        given=("ringing", "shown"),
        word=("cancelled", "ended by the caller", "ended"),
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={"b1": stop("cancelled"), "b2": stop("cancelled"), "a1": ["call:ended/cancelled"]},
        legs={"1": "stopped", "2": "stopped"},
        timers=set(),
    ),
    Row(
        says="ringing | rejected | caller: rejected; the receiver's devices: stop, declined elsewhere",
        given=("ringing", "shown"),
        word=("rejected", "ended by the receiver"),
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={
            "a1": ["call:rejected/declined"],
            "b1": stop("declined_elsewhere"),
            "b2": stop("declined_elsewhere"),
        },
        legs={"1": "stopped", "2": "stopped"},
        timers=set(),
    ),
    Row(
        says="ringing | operator | caller: ended; receiver: stop",
        given=("ringing", "shown"),
        word=("operator",),
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={
            "a1": ["call:ended/terminated_by_server"],
            "b1": stop("terminated_by_server"),
            "b2": stop("terminated_by_server"),
        },
        legs={"1": "stopped", "2": "stopped"},
        timers=set(),
        reports=["hung_up"],
    ),
]

ACCEPTED = [
    Row(
        says="accepted | accepted | already so",
        given=ON_ONE_PHONE,
        word=ACCEPTING,
        answer=ok("accepted", duplicate=True),
        emitted=False,
        state="accepted",
    ),
    Row(
        says="accepted, winner open | accepted | already so",
        given=("winner open",),
        word=("accepted",),
        answer=ok("accepted", duplicate=True),
        emitted=False,
        state="accepted",
    ),
    *(
        Row(
            says="accepted, winner open | accepted for a device | winner named, the others: stop",
            given=("winner open",),
            word=(f"accepted on b{mine}",),
            answer=ok("accepted", duplicate=True),
            emitted=True,
            state="accepted",
            told={f"b{other}": stop("answered_elsewhere")},
            legs={mine: "accepted", other: "stopped"},
        )
        for mine, other in (("1", "2"), ("2", "1"))
    ),
    Row(
        says="accepted | the backend's reject, cancel, end | hang-up: ended to both",
        given=("accepted", "video", "asked", "asked by receiver"),
        word=ENDING,
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={"a1": ["call:ended/completed"], "b1": ["call:ended/completed"]},
        timers=set(),
    ),
    Row(
        says="accepted, winner without a socket | the backend's reject, cancel, end | ended to the caller",
        given=("winner gone",),
        word=ENDING,
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={"a1": ["call:ended/completed"]},
        timers=set(),
    ),
    Row(
        says="accepted, winner open | the backend's reject, cancel, end | all the receiver's devices, which may ring",
        given=("winner open",),
        word=ENDING,
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={"a1": ["call:ended/completed"], "b1": stop("completed"), "b2": stop("completed")},
        legs={"1": "stopped", "2": "stopped"},
        timers=set(),
    ),
    Row(
        says="accepted | operator | ended to both",
        given=("accepted", "video", "asked", "asked by receiver"),
        word=("operator",),
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={"a1": ["call:ended/terminated_by_server"], "b1": ["call:ended/terminated_by_server"]},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted, winner without a socket | operator | ended to the caller",
        given=("winner gone",),
        word=("operator",),
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={"a1": ["call:ended/terminated_by_server"]},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted, winner open | operator | ended to both, all the receiver's devices",
        given=("winner open",),
        word=("operator",),
        answer=ok("ended"),
        emitted=True,
        state="ended",
        told={
            "a1": ["call:ended/terminated_by_server"],
            "b1": stop("terminated_by_server"),
            "b2": stop("terminated_by_server"),
        },
        legs={"1": "stopped", "2": "stopped"},
        timers=set(),
        reports=["hung_up"],
    ),
]

ENDED = [
    row
    for code in OVER
    for row in (
        Row(
            says="ended | accepted | already ended; the receiver's devices: ended; the backend is told",
            given=(code,),
            word=ACCEPTING,
            answer=ok("ended", code=code),
            emitted=False,
            state="ended",
            told={"b1": [f"call:ended/{code}"], "b2": [f"call:ended/{code}"]},
            legs={"1": "stopped", "2": "stopped"} if code == "busy" else {},
            reports=["accepted_after_end"],
        ),
        Row(
            says="ended | operator, the backend's reject, cancel, end | duplicate",
            given=(code,),
            word=(*ENDING, "operator"),
            answer=ok("ended", duplicate=True, code=code),
            emitted=False,
            state="ended",
        ),
    )
]

UNKNOWN = [
    Row(
        says="unknown | accepted | registered as a live call, winner open; caller: accepted",
        given=("unknown",),
        word=("accepted",),
        answer=ok("accepted"),
        emitted=True,
        state="accepted",
        told={"a1": ["call:accepted"], "a2": ["call:accepted"]},
        timers={"call_grace", "max_duration"},
    ),
    Row(
        says="unknown | accepted for a device | registered as a live call of that device",
        given=("unknown",),
        word=("accepted on b1", "accepted on b2"),
        answer=ok("accepted"),
        emitted=True,
        state="accepted",
        told={"a1": ["call:accepted"], "a2": ["call:accepted"]},
        timers={"call_grace", "max_duration"},
    ),
    Row(
        says="unknown | cancelled | the named user is told all the same",
        given=("unknown",),
        word=("cancelled",),
        answer=ok("ended"),
        emitted=True,
        state="unknown",
        told={"b1": stop("cancelled"), "b2": stop("cancelled")},
    ),
    Row(
        says="unknown | rejected | the named user is told all the same",
        given=("unknown",),
        word=("rejected",),
        answer=ok("ended"),
        emitted=True,
        state="unknown",
        told={"a1": ["call:rejected/declined"], "a2": ["call:rejected/declined"]},
    ),
    Row(
        says="unknown | ended | the named users are told all the same",
        given=("unknown",),
        word=("ended", "ended by the caller", "ended by the receiver"),
        answer=ok("ended"),
        emitted=True,
        state="unknown",
        told={name: ["call:ended/completed"] for name in ("a1", "a2", "b1", "b2")},
    ),
    Row(
        says="unknown | operator | not found",
        given=("unknown",),
        word=("operator",),
        answer=no("not_found", "unknown", "Call not found"),
        emitted=False,
        state="unknown",
    ),
]

ROWS = [*RINGING, *ACCEPTED, *ENDED, *UNKNOWN]


@pytest.mark.parametrize(
    ("row", "given", "word"),
    [pytest.param(row, *case, id=f"{case[0]} | {case[1]} | {row.says}") for row in ROWS for case in row.cases()],
)
def test_row(row: Row, given: str, word: str) -> None:
    scene = set_up(given)
    _, _, legs, timers = kept(scene)
    before = scene.exchange.find()

    answer, emitted = WORDS[word](scene.exchange)

    assert answer == row.answer
    assert emitted is row.emitted
    assert {name: phone.new() for name, phone in scene.phones.items()} == {
        name: row.told.get(name, []) for name in scene.phones
    }
    state, _, new_legs, new_timers = kept(scene)
    assert state == row.state
    assert new_legs == legs | row.legs
    assert set(new_timers) == (set(timers) if row.timers is None else row.timers)
    assert scene.exchange.reports() == row.reports
    if row.answer.get("duplicate") and not row.told:
        assert scene.exchange.find() == before


def test_every_word_has_one_row_in_every_situation() -> None:
    cases = [case for row in ROWS for case in row.cases()]
    assert sorted(cases) == sorted(product(SITUATIONS, WORDS))


@pytest.mark.parametrize("given", [name for name in SITUATIONS if name != "unknown"])
@pytest.mark.parametrize("word", [word for word in WORDS if word != "operator"])
def test_a_word_that_is_repeated_changes_and_sends_nothing(given: str, word: str) -> None:
    scene = set_up(given)
    WORDS[word](scene.exchange)
    scene.forget()
    before = scene.exchange.call()
    answer, emitted = WORDS[word](scene.exchange)
    if word in ACCEPTING and before.state.value == "ended":
        assert answer == ok("ended", code=given), "told each time: the phone that accepted may be another one"
        return
    assert answer["duplicate"] is True
    assert emitted is False
    assert scene.exchange.call() == before
    assert [phone.new() for phone in scene.phones.values()] == [[], [], [], [], []]


@pytest.mark.parametrize("word", ENDING)
def test_a_word_on_an_unknown_call_that_is_repeated_sends_nothing(word: str) -> None:
    scene = set_up("unknown")
    WORDS[word](scene.exchange)
    scene.forget()
    answer, emitted = WORDS[word](scene.exchange)
    assert (answer, emitted) == (ok("ended", duplicate=True), False)
    assert [phone.new() for phone in scene.phones.values()] == [[], [], [], [], []]


@pytest.mark.parametrize("given", [name for name in SITUATIONS if name != "unknown"])
@pytest.mark.parametrize(
    "word",
    [
        lambda exchange: exchange.accepted(STRANGER, BEA),
        lambda exchange: exchange.accepted(ANA, STRANGER),
        lambda exchange: exchange.accepted(BEA, ANA),
        lambda exchange: exchange.cancelled(STRANGER),
        lambda exchange: exchange.cancelled(BEA, STRANGER),
        lambda exchange: exchange.rejected(ANA, STRANGER),
        lambda exchange: exchange.ended(STRANGER, BEA),
    ],
    ids=(
        "accepted, caller",
        "accepted, receiver",
        "accepted, swapped",
        "cancelled",
        "cancelled, caller",
        "rejected",
        "ended",
    ),
)
def test_other_parties_than_those_of_the_call_change_nothing(given: str, word: Callable[[Exchange], Answered]) -> None:
    scene = set_up(given)
    before = scene.exchange.call()
    answer, emitted = word(scene.exchange)
    assert answer == {"success": False, "error": "Parties do not match", "code": "conflict", "callId": ID}
    assert emitted is False
    assert scene.exchange.call() == before
    assert [phone.new() for phone in scene.phones.values()] == [[], [], [], [], []]


@pytest.mark.parametrize("given", TALKING)
@pytest.mark.parametrize("word", ENDING)
def test_ended_by_is_whom_the_body_names(given: str, word: str) -> None:
    scene = set_up(given)
    WORDS[word](scene.exchange)
    [event] = scene["a1"].news()
    assert event.payload.get("endedBy") == ENDED_BY.get(word)
    assert event.payload["durationMs"] == 1000


class TestEmittedIsTheTruth:
    """True only if a live socket of the user it is meant for was written to."""

    def alone(self, *names: str) -> Scene:
        scene = set_up("ringing")
        for name in names:
            scene[name].leave()
        return scene

    def test_accepted_without_the_caller(self) -> None:
        assert self.alone("a1", "a2").exchange.accepted(ANA, BEA)[1] is False

    def test_accepted_for_a_device_reaches_the_caller_not_only_the_receiver(self) -> None:
        assert self.alone("a1", "a2").exchange.accepted(ANA, BEA, device="1")[1] is False

    def test_accepted_with_another_device_of_the_caller_only(self) -> None:
        scene = self.alone("a1")
        assert scene.exchange.accepted(ANA, BEA)[1] is True
        assert scene["a2"].new() == ["call:accepted"]

    def test_cancelled_without_the_receiver(self) -> None:
        assert self.alone("b1", "b2").exchange.cancelled(BEA)[1] is False

    def test_cancelled_with_one_device_of_the_receiver(self) -> None:
        assert self.alone("b1", "a1", "a2").exchange.cancelled(BEA)[1] is True

    def test_rejected_without_the_caller(self) -> None:
        assert self.alone("a1", "a2").exchange.rejected(ANA, BEA)[1] is False

    @pytest.mark.parametrize("here", ["a1", "b1"])
    def test_ended_with_either_party(self, here: str) -> None:
        scene = self.alone(*({"a1", "a2", "b1", "b2"} - {here}))
        assert scene.exchange.ended(ANA, BEA)[1] is True

    def test_ended_without_anybody(self) -> None:
        assert self.alone("a1", "a2", "b1", "b2").exchange.ended(ANA, BEA)[1] is False

    @pytest.mark.parametrize("word", [word for word in WORDS if word != "operator"])
    def test_an_unknown_call_of_users_without_sockets(self, word: str) -> None:
        assert WORDS[word](Exchange())[1] is False


class TestUnknownCalls:
    def test_a_remembered_outcome_is_no_live_call(self) -> None:
        scene = set_up("unknown")
        scene.exchange.ended(ANA, BEA)
        assert scene.exchange.live() == []
        assert scene["b1"].accept() == no("not_found", "unknown", "Call not found")
        assert scene["a1"].dial(BEA, "CALL_99")["success"] is True, "nobody is busy with it"

    def test_an_accepted_unknown_call_keeps_both_busy(self) -> None:
        scene = set_up("unknown")
        scene.exchange.accepted(ANA, BEA)
        assert scene["s"].dial(BEA, "CALL_99")["busy"] is True
        assert scene["s"].dial(ANA, "CALL_98")["busy"] is True

    def test_an_accepted_unknown_call_ends_the_former_ones_of_both(self) -> None:
        exchange = Exchange()
        ana, bea, cleo, dora = (exchange.phone(user) for user in (ANA, BEA, "USR_20", "USR_21"))
        ana.dial("USR_20", "CALL_1")
        dora.dial(BEA, "CALL_2")
        bea.accept("CALL_2")
        for phone in (ana, bea, cleo, dora):
            phone.new()
        exchange.reports()
        assert exchange.accepted(ANA, BEA, "CALL_3") == (ok("accepted") | {"callId": "CALL_3"}, True)
        assert ana.new() == ["call:ended/superseded", "call:accepted"]
        assert bea.new() == ["call:ended/superseded"]
        assert cleo.new() == stop("superseded")
        assert dora.new() == ["call:ended/superseded"]
        assert exchange.reports() == ["refused", "hung_up"]
        assert [call.id for call in exchange.live()] == ["3"]

    @pytest.mark.parametrize(("caller", "receiver"), [(ANA, ANA), (ANA, "5"), (None, BEA), (ANA, None)])
    def test_an_accepted_unknown_call_needs_two_users(self, caller: str | None, receiver: str | None) -> None:
        exchange = Exchange()
        answer, emitted = exchange.accepted(caller, receiver)  # type: ignore[arg-type]
        assert (answer["success"], answer["code"], emitted) == (False, "invalid_payload", False)
        assert exchange.find() is None

    def test_an_outcome_is_forgotten_after_a_minute(self) -> None:
        scene = set_up("unknown")
        scene.exchange.rejected(ANA, BEA)
        scene.exchange.wait(60.5)
        assert scene["a1"].dial(BEA)["state"] == "ringing"

    @pytest.mark.parametrize(
        ("say", "state", "told", "code"),
        [
            (lambda e: e.cancelled(BEA, ANA), "ended", "call:ended/cancelled", "cancelled"),
            (lambda e: e.cancelled(BEA), "ended", "call:ended/cancelled", "cancelled"),
            (lambda e: e.rejected(ANA, BEA), "ended", "call:rejected/declined", "declined"),
            (lambda e: e.ended(ANA, BEA), "ended", "call:ended/cancelled", "cancelled"),
            (lambda e: e.ended(ANA, BEA, by=ANA), "ended", "call:ended/cancelled", "cancelled"),
            (lambda e: e.ended(ANA, BEA, by=BEA), "ended", "call:rejected/declined", "declined"),
            (lambda e: e.ended(ANA, BEA, by=STRANGER), "ended", "call:ended/cancelled", "cancelled"),
        ],
        ids=(
            "cancelled",
            "cancelled, no caller",
            "rejected",
            "ended",
            "ended by the caller",
            "by the receiver",
            "by nobody known",
        ),
    )
    def test_the_initiate_meets_what_the_backend_said(
        self, say: Callable[[Exchange], Answered], state: str, told: str, code: str
    ) -> None:
        scene = set_up("unknown")
        say(scene.exchange)
        scene.forget()
        assert scene["a1"].dial(BEA) == ok(state, message=ANY, code=code)
        assert scene["a1"].new() == ["ack", told]
        assert [scene[name].new() for name in ("a2", "b1", "b2")] == [[], [], []]
        assert scene.exchange.reports() == [], "the backend knows"

    def test_only_an_initiate_of_the_named_parties_meets_it(self) -> None:
        scene = set_up("unknown")
        scene.exchange.rejected(ANA, BEA)
        assert scene["s"].dial(BEA)["state"] == "ringing"

    def test_user_ids_of_every_form_name_the_same_parties(self) -> None:
        scene = set_up("ringing")
        assert canonical_user("USR_USR_5") == "5"
        assert scene.exchange.accepted("5", "USR_USR_7", "17")[0] == {
            "success": True,
            "callId": "17",
            "state": "accepted",
        }


class TestAdopting:
    """A call that the backend accepted before its initiate came."""

    def test_the_initiate_takes_it_over_and_nothing_rings(self) -> None:
        scene = set_up("unknown")
        scene.exchange.accepted(ANA, BEA)
        scene.forget()
        assert scene["a1"].dial(BEA) == ok("accepted", message="Call initiated successfully")
        assert {name: phone.new() for name, phone in scene.phones.items()} == {
            "a1": ["ack", "call:accepted"],
            "a2": [],
            "b1": [],
            "b2": [],
            "s": [],
        }
        assert scene.exchange.call().channel_name == f"channel-{ID}"

    def test_the_winner_is_open_until_a_device_accepts(self) -> None:
        scene = set_up("unknown")
        scene.exchange.accepted(ANA, BEA)
        scene["a1"].dial(BEA)
        assert scene["b2"].accept() == ok("accepted", duplicate=True)
        assert scene["b1"].accept()["code"] == "answered_elsewhere"

    def test_again_it_is_a_duplicate(self) -> None:
        scene = set_up("unknown")
        scene.exchange.accepted(ANA, BEA)
        scene["a1"].dial(BEA)
        assert scene["a1"].dial(BEA) == ok("accepted", message=ANY, duplicate=True)

    def test_it_may_be_over_by_then_and_the_dialling_device_is_told(self) -> None:
        scene = set_up("unknown")
        scene.exchange.accepted(ANA, BEA)
        scene.exchange.ended(ANA, BEA)
        scene.forget()
        assert scene["a1"].dial(BEA) == ok("ended", message=ANY, code="completed")
        assert scene["a1"].new() == ["ack", "call:ended/completed"]
        assert scene["a1"].dial(BEA) == ok("ended", message=ANY, code="completed", duplicate=True)
        assert scene["a1"].new() == ["ack"]

    def test_an_initiate_of_others_is_a_conflict(self) -> None:
        scene = set_up("unknown")
        scene.exchange.accepted(ANA, BEA)
        answer = scene["s"].dial(BEA)
        assert answer == {"success": False, "error": ANY, "code": "conflict", "callId": ID}

    def test_hanging_up_before_the_initiate_reaches_everybody(self) -> None:
        scene = set_up("unknown")
        scene.exchange.accepted(ANA, BEA, device="1")
        scene.forget()
        assert scene["b1"].end() == ok("ended")
        assert scene["a1"].new() == ["call:ended/completed"]
        assert scene["a2"].new() == ["call:ended/completed"]


class TestAnAcceptAfterTheEnd:
    """The backend accepts a call that nobody has dialled yet, and that has been ended already: ended is final."""

    @pytest.fixture
    def exchange(self) -> Exchange:
        return Exchange()

    @pytest.mark.parametrize("how", ["cancel", "reject", "call-cancelled", "call-rejected", "call-ended"])
    def test_it_stays_ended(self, exchange: Exchange, how: str) -> None:
        ana, bea = exchange.phone(ANA), exchange.phone(BEA)
        ends: dict[str, Callable[[], object]] = {
            "cancel": ana.cancel,
            "reject": bea.reject,
            "call-cancelled": lambda: exchange.cancelled(BEA, ANA),
            "call-rejected": lambda: exchange.rejected(ANA, BEA),
            "call-ended": lambda: exchange.ended(ANA, BEA),
        }
        ends[how]()
        for phone in (ana, bea):
            phone.new()
        answer, _ = exchange.accepted(ANA, BEA)
        assert answer["state"] == "ended"
        assert exchange.live() == []
        assert exchange.reports() == ["accepted_after_end"]
        assert bea.new()[0].startswith("call:ended")
        assert ana.dial(BEA)["state"] == "ended"
        assert ana.new()[1].startswith("call:ended")
        assert bea.new() == []

    def test_a_device_that_had_accepted_before_has_won(self, exchange: Exchange) -> None:
        ana, bea = exchange.phone(ANA), exchange.phone(BEA)
        bea.accept()
        exchange.accepted(ANA, BEA)
        assert exchange.call().receiver.device == bea.device
        assert ana.dial(BEA)["state"] == "accepted"

    def test_a_rejection_of_an_unknown_call_does_not_hit_the_call_he_has(self, exchange: Exchange) -> None:
        ana = exchange.phone(ANA)
        exchange.phone(BEA)
        ana.dial(BEA, "1")
        ana.new()
        exchange.rejected(ANA, BEA, "2")
        assert ana.new() == ["call:ended/declined"]
