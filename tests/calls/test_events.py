"""Every event as it goes out, field by field, and the words of every code (contract section 3)."""

from typing import Any

import pytest

from onlycare_socket.calls.states import Code
from onlycare_socket.calls.words import clip, reason_of
from tests.calls.situations import ANA, BEA, Scene, set_up
from tests.calls.test_dialling import dated
from tests.phones import ID, START, Exchange, Phone

AT = START + 1_000
"""`set_up` lets one second pass."""


def payloads(phone: Phone, name: str) -> list[dict[str, Any]]:
    return [heard.payload for heard in phone.news() if heard.name == name]


class TestFields:
    def test_accepted(self) -> None:
        scene = set_up("ringing")
        scene["b1"].accept()
        assert payloads(scene["a1"], "call:accepted") == [{"callId": ID, "receiverId": BEA, "timestamp": AT}]

    def test_rejected_with_and_without_words(self) -> None:
        for reason, words in (("in a meeting", "in a meeting"), ("", "User declined")):
            scene = set_up("ringing")
            scene["b1"].reject(reason=reason)
            assert payloads(scene["a1"], "call:rejected") == [
                {"callId": ID, "reason": words, "timestamp": AT, "code": "declined"}
            ]

    def test_reject_confirmed(self) -> None:
        scene = set_up("ringing")
        scene["b1"].reject("17")
        assert payloads(scene["b1"], "call:reject:confirmed") == [{"callId": "17"}]

    def test_timeout(self) -> None:
        scene = set_up("ringing")
        scene.exchange.wait(30)
        [event] = payloads(scene["a1"], "call:timeout")
        assert event | {"timestamp": 0} == {"callId": ID, "reason": "No answer", "timestamp": 0, "code": "no_answer"}

    def test_busy(self) -> None:
        exchange = Exchange()
        exchange.phone("USR_11").dial(BEA, "CALL_3")
        ana = exchange.phone(ANA)
        ana.dial(BEA)
        assert payloads(ana, "call:busy") == [{"callId": ID}]

    def test_ringing(self) -> None:
        scene = set_up("ringing")
        scene["b1"].ringing()
        assert payloads(scene["a1"], "call:ringing") == [{"callId": ID, "timestamp": AT}]

    def test_cancelled_and_ended_of_a_ring(self) -> None:
        scene = set_up("ringing")
        scene["a1"].cancel(reason="changed my mind")
        told = {"callId": ID, "reason": "changed my mind", "timestamp": AT, "code": "cancelled"}
        assert [heard.payload for heard in scene["b1"].news()] == [told, told | {"endedBy": ANA}]

    def test_stop_for_one_device_names_no_ender_and_no_duration(self) -> None:
        scene = set_up("ringing")
        scene["b1"].accept()
        words = {"reason": "Answered on another device", "code": "answered_elsewhere"}
        told = {"callId": ID, "timestamp": AT, **words}
        assert [heard.payload for heard in scene["b2"].news()] == [told, told]

    def test_ended_of_a_talk(self) -> None:
        scene = set_up("accepted")
        scene["b1"].end()
        assert payloads(scene["a1"], "call:ended") == [
            {
                "callId": ID,
                "reason": "Remote user ended call",
                "timestamp": AT,
                "code": "completed",
                "endedBy": BEA,
                "durationMs": 1_000,
            }
        ]

    def test_a_ring_that_ended_has_no_duration(self) -> None:
        scene = set_up("ringing")
        scene.exchange.terminate()
        assert payloads(scene["a1"], "call:ended") == [
            {"callId": ID, "reason": "Terminated by server", "timestamp": AT, "code": "terminated_by_server"}
        ]

    def test_upgrade(self) -> None:
        scene = set_up("accepted")
        scene["a1"].upgrade()
        assert payloads(scene["b1"], "call:upgrade:request") == [{"callId": ID, "senderId": ANA, "timestamp": AT}]
        scene["b1"].answer_upgrade(True)
        assert payloads(scene["a1"], "call:upgrade:response") == [{"callId": ID, "accepted": True, "timestamp": AT}]

    def test_upgrade_refused_with_words(self) -> None:
        scene = set_up("asked")
        scene["b1"].answer_upgrade(False, reason="no camera")
        assert payloads(scene["a1"], "call:upgrade:response") == [
            {"callId": ID, "accepted": False, "timestamp": AT, "reason": "no camera"}
        ]

    @pytest.mark.parametrize(("audio", "video"), [("audio", "video"), ("AUDIO", "VIDEO"), ("Audio", "Video")])
    def test_video_is_written_as_the_caller_writes(self, audio: str, video: str) -> None:
        scene = Scene()
        scene.dial(audio)
        scene["b1"].accept()
        scene["a1"].upgrade()
        scene["b1"].answer_upgrade(True)
        assert scene.exchange.call().call_type == video

    def test_resumed(self) -> None:
        scene = set_up("ringing")
        scene["b1"].leave()
        [event] = payloads(scene.exchange.phone(BEA), "call:incoming")
        assert event == {
            "callId": ID,
            "callerId": ANA,
            "callerName": "Name of USR_5",
            "callType": "audio",
            "channelName": f"channel-{ID}",
            "agoraToken": "agora",
            "timestamp": START,
            "expiresAt": START + 30_000,
            "resumed": True,
        }


class TestWords:
    """`reason` by `code`, as the contract lists them."""

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("completed", "Remote user ended call"),
            ("cancelled", "Caller ended call"),
            ("declined", "User declined"),
            ("connection_lost", "User disconnected"),
            ("answered_elsewhere", "Answered on another device"),
            ("declined_elsewhere", "Declined on another device"),
            ("busy", "User is busy"),
            ("glare", "User is busy"),
            ("superseded", "Superseded"),
            ("max_duration", "Max duration"),
            ("expired", "Expired"),
            ("terminated_by_server", "Terminated by server"),
            ("unavailable", "Unavailable"),
        ],
    )
    def test_the_same_to_both_sides(self, code: str, words: str) -> None:
        assert reason_of(Code(code), side="caller") == reason_of(Code(code), side="receiver") == words

    @pytest.mark.parametrize("code", ["no_answer", "unreachable"])
    def test_an_unanswered_ring_has_a_word_for_each_side(self, code: str) -> None:
        assert reason_of(Code(code), side="caller") == "No answer"
        assert reason_of(Code(code), side="receiver") == "Timeout"

    @pytest.mark.parametrize("code", Code)
    def test_only_a_cancel_and_a_decline_pass_on_a_clients_words(self, code: Code) -> None:
        given = reason_of(code, "in his own words")
        assert (given == "in his own words") is (code in (Code.CANCELLED, Code.DECLINED))

    def test_a_clients_words_are_cut_at_200_characters(self) -> None:
        assert clip("x" * 500) == "x" * 200

    def test_a_device_that_declined_elsewhere_sees_no_words_of_the_other(self) -> None:
        scene = set_up("ringing")
        scene["b1"].reject(reason="private")
        assert {heard.payload["reason"] for heard in scene["b2"].news()} == {"Declined on another device"}


def test_the_agora_token_is_erased_at_the_end() -> None:
    scene = set_up("accepted")
    assert scene.exchange.call().agora_token == "agora"
    scene["a1"].end()
    assert scene.exchange.call().agora_token == ""


def test_a_refused_call_keeps_no_agora_token() -> None:
    assert set_up("busy").exchange.call().agora_token == ""


def test_a_dated_id_is_dated() -> None:
    assert dated(0) == f"CALL_{START // 1000}0042"
