"""Ids in every form: who is answered in which, and how a user is spelled before and after he was seen."""

from tests.calls.situations import BEA
from tests.phones import Exchange, Heard, Phone


def ids(heard: list[Heard]) -> set[str]:
    return {each.payload["callId"] for each in heard}


class TestTheCallsId:
    def test_each_device_is_answered_in_the_form_it_used(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(BEA, "tablet")
        ana.dial(BEA, "CALL_77")
        assert bea.accept("77")["callId"] == "77"
        ana.upgrade("CALL_77")
        ana.end("CALL_77")
        assert ids([heard for heard in bea.news() if heard.name != "call:incoming"]) == {"77"}
        assert ids(tablet.news()) == {"CALL_77"}
        assert ids(ana.news()) == {"CALL_77"}

    def test_it_may_change_its_form(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "77")
        bea.ringing("CALL_77")
        bea.ringing("77")
        bea.news()
        ana.cancel("77")
        assert ids(bea.news()) == {"77"}

    def test_a_refused_command_changes_nothing(self, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_17")
        assert ana.accept("17")["code"] == "forbidden"
        ana.news()
        bea.accept("CALL_17")
        assert ids(ana.news()) == {"CALL_17"}

    def test_a_device_that_comes_back_is_rung_in_its_form(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_17")
        bea.ringing("17")
        bea.leave()
        assert ids(exchange.phone(BEA).news()) == {"17"}

    def test_one_whose_accept_overtook_the_initiate(self, ana: Phone, bea: Phone) -> None:
        bea.accept("17")
        ana.dial(BEA, "CALL_17")
        bea.news()
        ana.end("CALL_17")
        assert ids(bea.news()) == {"17"}


class TestTheUsersId:
    def test_a_receiver_is_spelled_as_dialled_until_he_is_seen(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial("77", "1")
        seen = exchange.phone("USR_77")
        seen.accept("1")
        seen.end("1")
        accepted, ended = (heard.payload for heard in ana.news() if heard.name != "ack")
        assert accepted["receiverId"] == "USR_77"
        assert ended["endedBy"] == "USR_77"
