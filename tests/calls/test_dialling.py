"""`call:initiate`: the acks of the contract, key by key, and the questions that come before ringing, in their order."""

from typing import Any
from unittest.mock import ANY

import pytest

from tests.calls.situations import ANA, BEA, OTHER, OVER, STRANGER, set_up
from tests.calls.test_table import stop
from tests.phones import ID, START, Exchange, Phone

NOW_S = START // 1000
OFFLINE = "User offline - FCM notification sent"
INITIATED = "Call initiated successfully"


def dated(age: float) -> str:
    """A call id of the backend's form that says it is so many seconds old."""
    return f"CALL_{round(NOW_S - age):010d}0042"


class TestAcks:
    def test_the_receiver_is_there(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        assert ana.dial(BEA) == {
            "success": True,
            "callId": ID,
            "message": INITIATED,
            "state": "ringing",
            "expiresAt": START + 30_000,
        }
        assert ana.new() == ["ack"]
        assert [(heard.name, heard.payload) for heard in bea.news()] == [
            (
                "call:incoming",
                {
                    "callId": ID,
                    "callerId": ANA,
                    "callerName": "Name of USR_5",
                    "callType": "audio",
                    "channelName": f"channel-{ID}",
                    "agoraToken": "agora",
                    "timestamp": START,
                    "expiresAt": START + 30_000,
                },
            )
        ]
        assert exchange.push.woken == []

    def test_the_receiver_has_no_socket(self, exchange: Exchange, ana: Phone) -> None:
        assert ana.dial(BEA) == {
            "success": False,
            "error": OFFLINE,
            "useFcmFallback": True,
            "callId": ID,
            "state": "ringing",
            "expiresAt": START + 30_000,
        }
        assert exchange.call().state.value == "ringing", "it is registered all the same"
        assert exchange.push.woken == [("17", None)]

    def test_a_receiver_that_came_back_and_went_is_offline(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.leave()
        assert ana.dial(BEA)["useFcmFallback"] is True

    @pytest.mark.parametrize("command", ["accept", "reject"])
    def test_an_offline_call_is_answered_from_any_channel(self, exchange: Exchange, ana: Phone, command: str) -> None:
        ana.dial(BEA)
        bea = exchange.phone(BEA)
        assert getattr(bea, command)()["success"] is True
        assert ana.new() == ["ack", "call:accepted" if command == "accept" else "call:rejected/declined"]

    def test_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(OTHER).dial(BEA, "CALL_3")
        bea.new()
        assert ana.dial(BEA) == busy()
        assert [(heard.name, heard.payload) for heard in ana.news()[1:]] == [("call:busy", {"callId": ID})]
        assert bea.new() == []
        assert exchange.reports() == ["refused"]
        assert exchange.call().code == "busy"

    def test_call_busy_goes_to_the_dialling_device_only(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(ANA, "tablet")
        exchange.phone(OTHER).dial(BEA, "CALL_3")
        ana.dial(BEA)
        assert tablet.new() == []

    def test_the_call_type_is_passed_on_as_it_came(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, call_type="ViDeO")
        assert bea.heard[0].payload["callType"] == "ViDeO"

    def test_a_receiver_never_seen_is_shown_as_the_caller_wrote_him(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial("USR_USR_7")
        exchange.accepted("5", "7")
        assert ana.heard[-1].payload["receiverId"] == "USR_USR_7"

    def test_a_receiver_seen_is_shown_as_the_backend_writes_him(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        ana.dial("7")
        bea.accept()
        assert ana.heard[-1].payload["receiverId"] == BEA

    def test_each_party_is_answered_in_the_form_it_used(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_17")
        assert bea.heard[-1].payload["callId"] == "CALL_17"
        assert bea.ringing("17")["callId"] == "17"
        assert ana.heard[-1].payload["callId"] == "CALL_17"
        ana.cancel("CALL_17")
        assert [heard.payload["callId"] for heard in bea.heard[-2:]] == ["17", "17"]


def busy(code: str = "busy", **more: str) -> dict[str, Any]:
    return {
        "success": False,
        "error": "User is busy",
        "busy": True,
        "callId": ID,
        "code": code,
        "state": "ended",
        **more,
    }


class TestTheSameIdAgain:
    def test_while_it_rings(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.new()
        assert ana.dial(BEA) == {
            "success": True,
            "callId": ID,
            "message": INITIATED,
            "state": "ringing",
            "duplicate": True,
            "expiresAt": START + 30_000,
        }
        assert bea.new() == [], "it never rings again"

    def test_while_it_rings_and_the_receiver_still_has_no_socket(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        assert ana.dial(BEA) == {
            "success": False,
            "error": OFFLINE,
            "useFcmFallback": True,
            "callId": ID,
            "state": "ringing",
            "duplicate": True,
            "expiresAt": START + 30_000,
        }
        assert exchange.push.woken == [("17", None)], "pushed once"

    def test_while_it_rings_and_the_receiver_has_come(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        exchange.phone(BEA)
        assert ana.dial(BEA)["success"] is True

    def test_accepted(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        assert ana.dial(BEA) == {
            "success": True,
            "callId": ID,
            "message": INITIATED,
            "state": "accepted",
            "duplicate": True,
        }
        assert ana.new() == ["ack", "call:accepted", "ack"]

    @pytest.mark.parametrize("code", [code for code in OVER if code != "busy"])
    def test_ended(self, code: str) -> None:
        scene = set_up(code)
        assert scene["a1"].dial(BEA) == {
            "success": True,
            "callId": ID,
            "message": INITIATED,
            "state": "ended",
            "duplicate": True,
            "code": code,
        }
        assert [phone.new() for phone in scene.phones.values()] == [["ack"], [], [], [], []]

    def test_refused_as_busy_it_has_the_same_ack_and_no_second_event(self) -> None:
        scene = set_up("busy")
        assert scene["a1"].dial(BEA) == busy()
        assert scene["a1"].new() == ["ack"]
        assert scene.exchange.reports() == []

    def test_refused_as_glare_it_names_the_winner_again(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.dial(ANA, "CALL_3")
        assert ana.dial(BEA) == ana.dial(BEA) == busy("glare", winnerCallId="CALL_3")
        assert ana.new() == ["call:incoming", "ack", "call:busy", "ack"]

    def test_in_the_other_form(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_17")
        again = ana.dial(BEA, "17")
        assert (again["callId"], again["duplicate"]) == ("17", True)
        assert bea.new() == ["call:incoming"]

    def test_by_another_device_of_the_caller(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        assert exchange.phone(ANA, "tablet").dial(BEA)["duplicate"] is True
        assert exchange.call().caller.device == ana.device

    def test_to_another_receiver_is_a_conflict(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        assert ana.dial(OTHER) == {
            "success": False,
            "error": ANY,
            "code": "conflict",
            "callId": ID,
            "state": "ringing",
        }

    def test_by_the_receiver_is_a_conflict(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        answer = bea.dial(ANA)
        assert (answer["code"], answer["state"]) == ("conflict", "ringing")

    @pytest.mark.parametrize("receiver", [ANA, BEA])
    def test_by_a_stranger_is_a_conflict_without_state(self, receiver: str) -> None:
        scene = set_up("ringing")
        assert scene["s"].dial(receiver) == {"success": False, "error": ANY, "code": "conflict", "callId": ID}


class TestTime:
    def test_an_id_more_than_a_minute_ahead_is_refused(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        assert ana.dial(BEA, dated(-60))["success"] is True
        ana.cancel(dated(-60))
        answer = ana.dial(BEA, dated(-61))
        assert answer == {"success": False, "error": ANY, "code": "invalid_payload", "callId": dated(-61)}

    def test_an_id_more_than_45_s_old_is_stale(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.clock.run(3_600)
        assert ana.dial(BEA, dated(-3_600 + 45))["success"] is True
        ana.cancel(dated(-3_600 + 45))
        bea.new()
        stale = dated(-3_600 + 46)
        assert ana.dial(BEA, stale) == {"success": False, "error": ANY, "code": "stale", "callId": stale}
        assert bea.new() == [], "nobody is told"
        assert exchange.find(stale) is None
        assert exchange.reports() == ["hung_up"]

    def test_the_age_in_an_id_counts_whatever_the_timestamp_says(self, exchange: Exchange, ana: Phone) -> None:
        assert ana.dial(BEA, dated(46), sent=START)["code"] == "stale"
        assert ana.dial(BEA, dated(10), sent=START - 100_000)["state"] == "ringing"

    @pytest.mark.parametrize(
        ("age", "since_connect", "stale"),
        [
            (45_001, 0, True),
            (45_001, 5_000, True),
            (45_001, 5_250, False),
            (45_000, 0, False),
            (86_400_000, 5_250, False),
            (-86_400_000, 0, False),
            (0, 0, False),
        ],
    )
    def test_an_old_timestamp_is_stale_just_after_the_connect_only(
        self, exchange: Exchange, ana: Phone, age: int, since_connect: int, stale: bool
    ) -> None:
        exchange.clock.run(since_connect / 1000)
        answer = ana.dial(BEA, "CALL_17", sent=exchange.clock.wall() - age)
        assert (answer.get("code") == "stale") is stale

    def test_an_id_of_another_form_says_nothing_about_time(self, exchange: Exchange, ana: Phone) -> None:
        for call_id in ("CALL_17", f"{NOW_S - 100}0042", f"CALL_{NOW_S - 100}00421", "CALL_x"):
            assert ana.dial(BEA, call_id).get("code") != "stale"
            ana.cancel(call_id)

    def test_without_timestamp_it_is_never_stale(self, exchange: Exchange, ana: Phone) -> None:
        assert ana.dial(BEA, "CALL_17", sent=None)["state"] == "ringing"


class TestTheOrderOfTheQuestions:
    """Each test makes two answers possible; the first in the design's order is given."""

    def test_ahead_before_self_call(self, ana: Phone) -> None:
        assert ana.dial(ANA, dated(-61))["code"] == "invalid_payload"

    @pytest.mark.parametrize("receiver", [ANA, "5", "USR_USR_5"])
    def test_self_call_in_any_form(self, exchange: Exchange, ana: Phone, receiver: str) -> None:
        assert ana.dial(receiver) == {"success": False, "error": ANY, "code": "forbidden", "callId": ID}
        assert exchange.find() is None

    def test_self_call_before_same_id(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        assert ana.dial(ANA)["code"] == "forbidden"

    def test_same_id_before_stale(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, dated(40))
        exchange.wait(10)
        assert ana.dial(BEA, dated(40))["duplicate"] is True

    def test_conflict_before_stale(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, dated(40))
        exchange.wait(10)
        assert exchange.phone(STRANGER).dial(BEA, dated(40))["code"] == "conflict"

    def test_same_id_before_rate(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        assert ana.dial(BEA, over_budget=True)["duplicate"] is True

    def test_stale_before_remembered_reject(self, ana: Phone, bea: Phone) -> None:
        bea.reject(dated(46))
        assert ana.dial(BEA, dated(46))["code"] == "stale"

    def test_remembered_reject_before_rate(self, ana: Phone, bea: Phone) -> None:
        bea.reject()
        assert ana.dial(BEA, over_budget=True)["code"] == "declined"

    def test_remembered_reject_before_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(OTHER).dial(BEA, "CALL_3")
        bea.reject()
        assert ana.dial(BEA)["code"] == "declined"

    def test_stale_before_rate(self, ana: Phone) -> None:
        assert ana.dial(BEA, dated(46), over_budget=True)["code"] == "stale"

    def test_rate_before_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(OTHER).dial(BEA, "CALL_3")
        answer = ana.dial(BEA, over_budget=True)
        assert answer == {"success": False, "error": ANY, "code": "rate_limited", "callId": ID}
        assert exchange.find() is None

    def test_busy_before_remembered_accept(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(OTHER).dial(BEA, "CALL_3")
        bea.accept()
        assert ana.dial(BEA)["busy"] is True

    def test_remembered_reject_before_remembered_accept(self, ana: Phone, bea: Phone) -> None:
        bea.accept()
        bea.reject()
        assert ana.dial(BEA)["code"] == "declined"


class TestWhatOvertook:
    """Push is faster than the socket: reject, cancel, end and accept may come before the initiate."""

    @pytest.mark.parametrize("command", ["reject", "end"])
    def test_a_word_of_the_receiver(self, exchange: Exchange, ana: Phone, bea: Phone, command: str) -> None:
        tablet, other = exchange.phone(BEA, "tablet"), exchange.phone(ANA, "tablet")
        assert getattr(bea, command)()["code"] == "not_found"
        assert ana.dial(BEA) == {
            "success": True,
            "callId": ID,
            "message": INITIATED,
            "state": "ended",
            "code": "declined",
        }
        assert ana.new() == ["ack", "call:rejected/declined"]
        assert (bea.new(), tablet.new(), other.new()) == (["ack"], [], [])
        assert exchange.reports() == ["declined"]

    @pytest.mark.parametrize("command", ["cancel", "end"])
    def test_a_word_of_the_caller(self, exchange: Exchange, ana: Phone, bea: Phone, command: str) -> None:
        assert getattr(ana, command)()["code"] == "not_found"
        assert ana.dial(BEA)["code"] == "cancelled"
        assert ana.new() == ["ack", "ack", "call:ended/cancelled"]
        assert bea.new() == []
        assert exchange.reports() == ["hung_up"]

    def test_an_accept_makes_its_device_the_winner(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(BEA, "tablet")
        assert bea.accept("17")["code"] == "not_found"
        assert ana.dial(BEA) == {"success": True, "callId": ID, "message": INITIATED, "state": "accepted"}
        assert ana.new() == ["ack", "call:accepted"]
        assert (bea.new(), tablet.new()) == (["ack"], []), "nothing rings"
        assert exchange.reports() == ["accepted"]
        assert tablet.accept()["code"] == "answered_elsewhere"
        assert bea.accept()["duplicate"] is True

    def test_the_first_of_two_accepts_wins(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(BEA, "tablet")
        tablet.accept()
        bea.accept()
        ana.dial(BEA)
        assert exchange.call().receiver.device == tablet.device

    def test_the_reason_is_passed_on(self, ana: Phone, bea: Phone) -> None:
        bea.reject(reason="in a meeting")
        ana.dial(BEA)
        assert ana.heard[-1].payload["reason"] == "in a meeting"

    @pytest.mark.parametrize(
        ("who", "command"), [("ana", "reject"), ("ana", "accept"), ("bea", "cancel"), ("stranger", "reject")]
    )
    def test_the_wrong_role_does_not_count(
        self, exchange: Exchange, ana: Phone, bea: Phone, who: str, command: str
    ) -> None:
        phones = {"ana": ana, "bea": bea, "stranger": exchange.phone(STRANGER)}
        getattr(phones[who], command)()
        assert ana.dial(BEA)["state"] == "ringing"

    @pytest.mark.parametrize("command", ["ringing", "upgrade"])
    def test_other_commands_are_not_remembered(self, ana: Phone, bea: Phone, command: str) -> None:
        getattr(bea, command)()
        assert ana.dial(BEA)["state"] == "ringing"

    @pytest.mark.parametrize(("age", "state"), [(59.5, "ended"), (60.5, "ringing")])
    def test_it_is_remembered_for_a_minute(
        self, exchange: Exchange, ana: Phone, bea: Phone, age: float, state: str
    ) -> None:
        bea.reject()
        exchange.wait(age)
        assert ana.dial(BEA)["state"] == state

    def test_the_socket_and_the_backend_both_reject_first(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.reject()
        exchange.rejected(ANA, BEA)
        ana.new()
        assert ana.dial(BEA)["code"] == "declined"
        assert ana.new() == ["ack", "call:rejected/declined"]

    def test_at_most_twenty_a_user_and_the_oldest_gives_way(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        for number in range(21):
            bea.reject(f"CALL_{number}")
        states = [ana.dial(BEA, f"CALL_{number}")["state"] for number in range(21)]
        assert states == ["ringing", *["ended"] * 20]

    def test_repeating_one_does_not_push_out_the_others(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.reject("CALL_1")
        for _ in range(30):
            bea.reject("CALL_2")
        assert ana.dial(BEA, "CALL_1")["state"] == "ended"
        assert ana.dial(BEA, "CALL_2")["state"] == "ended"


class TestGlare:
    def test_the_first_rings_on_and_the_second_is_told_which(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.dial(ANA, "3")
        ana.new()
        assert ana.dial(BEA) == busy("glare", winnerCallId="3")
        assert ana.new() == ["ack", "call:busy"]
        assert exchange.call("3").state.value == "ringing"
        assert exchange.reports() == ["refused"]

    def test_a_client_that_wants_to_join_accepts_the_winner(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.dial(ANA, "CALL_3")
        winner = ana.dial(BEA)["winnerCallId"]
        assert ana.accept(winner)["state"] == "accepted"
        assert bea.new() == ["ack", "call:accepted"]

    def test_the_winner_is_named_in_the_form_the_sender_used(self, ana: Phone, bea: Phone) -> None:
        bea.dial(ANA, "CALL_3")
        ana.ringing("3")
        assert ana.dial(BEA)["winnerCallId"] == "3"

    def test_an_accepted_call_of_the_two_is_no_glare(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.dial(ANA, "CALL_3")
        tablet = exchange.phone(ANA, "tablet")
        ana.accept("CALL_3")
        assert tablet.dial(BEA)["code"] == "busy"


class TestReceiverBusy:
    @pytest.mark.parametrize("answered", [False, True])
    @pytest.mark.parametrize("role", ["caller", "receiver"])
    def test_in_a_live_call_of_any_kind(
        self, exchange: Exchange, ana: Phone, bea: Phone, answered: bool, role: str
    ) -> None:
        other = exchange.phone(OTHER)
        caller, receiver = (bea, other) if role == "caller" else (other, bea)
        caller.dial(receiver.shown, "CALL_3")
        if answered:
            receiver.accept("CALL_3")
        assert ana.dial(BEA) == busy()

    def test_a_refused_call_keeps_nobody_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(OTHER).dial(BEA, "CALL_3")
        ana.dial(BEA)
        assert exchange.phone(STRANGER).dial(ANA, "CALL_4")["state"] == "ringing"

    def test_a_refused_caller_keeps_the_call_he_has(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(OTHER).dial(BEA, "CALL_3")
        ana.dial(STRANGER, "CALL_4")
        assert ana.dial(BEA) == busy()
        assert exchange.call("CALL_4").state.value == "ringing"


class TestCallerBusy:
    """The caller has a live call: (a) superseded, (b) busy, (c) the ring that reached him ends busy."""

    def test_a_dials_again_from_the_same_phone(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_1")
        bea.new()
        assert ana.dial(BEA, "CALL_2")["state"] == "ringing"
        assert bea.new() == [*stop("superseded"), "call:incoming"], "the order of the state changes"
        assert ana.new() == ["ack", "ack"]
        assert exchange.call("CALL_1").code == "superseded"
        assert exchange.reports() == ["refused"]

    def test_a_talking_on_the_same_phone(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        other = exchange.phone(OTHER)
        ana.dial(OTHER, "CALL_1")
        other.accept("CALL_1")
        other.new()
        exchange.reports()
        assert ana.dial(BEA, "CALL_2")["state"] == "ringing"
        assert other.new() == ["call:ended/superseded"]
        assert exchange.reports() == ["hung_up"]

    def test_a_the_receiver_of_a_talk_dials_away(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        other = exchange.phone(OTHER)
        other.dial(ANA, "CALL_1")
        ana.accept("CALL_1")
        other.new()
        assert ana.dial(BEA, "CALL_2")["state"] == "ringing"
        assert other.new() == ["call:ended/superseded"]

    def test_a_on_a_device_without_a_socket(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(ANA, "tablet")
        ana.dial(OTHER, "CALL_1")
        ana.leave()
        assert tablet.dial(BEA, "CALL_2")["state"] == "ringing"
        assert exchange.call("CALL_1").code == "superseded"

    def test_a_the_winner_is_still_open(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        other, tablet = exchange.phone(OTHER), exchange.phone(ANA, "tablet")
        other.dial(ANA, "CALL_1")
        exchange.accepted(OTHER, ANA, "CALL_1")
        for phone in (ana, tablet, other):
            phone.new()
        assert ana.dial(BEA, "CALL_2")["state"] == "ringing"
        assert other.new() == ["call:ended/superseded"]
        assert tablet.new() == stop("superseded"), "his other devices may still ring"
        assert set(exchange.legs(ANA, "CALL_1").values()) == {"stopped"}

    def test_b_on_another_device_that_has_a_socket(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(ANA, "tablet")
        ana.dial(OTHER, "CALL_1")
        assert tablet.dial(BEA) == busy()
        assert exchange.call("CALL_1").state.value == "ringing"
        assert ana.new() == ["ack"]

    def test_b_the_winner_of_a_talk_is_another_device(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet, other = exchange.phone(ANA, "tablet"), exchange.phone(OTHER)
        other.dial(ANA, "CALL_1")
        ana.accept("CALL_1")
        assert tablet.dial(BEA) == busy()

    def test_c_he_is_only_being_rung(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        other, tablet = exchange.phone(OTHER), exchange.phone(ANA, "tablet")
        other.dial(ANA, "CALL_1")
        for phone in (ana, tablet, other):
            phone.new()
        assert ana.dial(BEA, "CALL_2")["state"] == "ringing"
        assert other.new() == ["call:busy"]
        assert ana.new() == ["ack", *stop("busy")]
        assert tablet.new() == stop("busy")
        assert exchange.call("CALL_1").code == "busy"
        assert exchange.reports() == ["refused"]

    def test_c_call_busy_goes_to_the_device_that_dialled_or_nowhere(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        other, tablet = exchange.phone(OTHER), exchange.phone(OTHER, "tablet")
        other.dial(ANA, "CALL_1")
        other.leave()
        tablet.new()
        ana.dial(BEA, "CALL_2")
        assert tablet.new() == []
        assert exchange.phone(OTHER).new() == ["call:ended/busy"], "told at the next connect"

    def test_c_but_not_when_the_new_receiver_is_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        other = exchange.phone(OTHER)
        other.dial(ANA, "CALL_1")
        exchange.phone(STRANGER).dial(BEA, "CALL_3")
        assert ana.dial(BEA) == busy()
        assert exchange.call("CALL_1").state.value == "ringing"

    def test_one_dial_can_change_two_calls_at_once(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_1")
        bea.accept("CALL_1")
        bea.new()
        assert ana.dial(BEA, "CALL_2")["state"] == "ringing", "B is busy only with the call that A gives up"
        assert bea.new() == ["call:ended/superseded", "call:incoming"]
        assert [call.id for call in exchange.live()] == ["2"]


class TestTheSocketThatAsked:
    """With two sockets of one device, an answer to a dial goes to the one that dialled (contract section 2)."""

    def test_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        newer = exchange.phone(ANA)
        exchange.phone("9").dial(BEA, "1")
        ana.dial(BEA, "2")
        assert (ana.new(), newer.new()) == (["ack", "call:busy"], [])

    def test_what_had_overtaken_it(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        newer = exchange.phone(ANA)
        bea.reject("1")
        ana.dial(BEA, "1")
        bea.accept("2")
        ana.dial(BEA, "2")
        assert ana.new() == ["ack", "call:rejected/declined", "ack", "call:accepted"]
        assert newer.new() == []
