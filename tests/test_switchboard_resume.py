"""What a device is told when it connects, and what counts as told (design section 3, "Resume").

*Told* means: sent on a connection from which a packet arrived afterwards. `speak` is such a packet.
"""

import pytest

from tests.calls.situations import ANA, BEA, STRANGER
from tests.calls.test_table import stop
from tests.phones import Exchange, Phone


class TestTheCallStillRings:
    def test_a_device_that_never_had_it_rings(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        [incoming] = exchange.phone(BEA).news()
        assert incoming.name == "call:incoming"
        assert "resumed" not in incoming.payload
        assert incoming.payload["expiresAt"] == exchange.call().ring_at

    def test_a_device_that_had_it_rings_again_on_its_new_connection(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        ana.dial(BEA)
        bea.speak()
        bea.leave()
        [incoming] = exchange.phone(BEA).news()
        assert incoming.payload["resumed"] is True

    def test_a_second_socket_of_the_device_rings_while_the_first_is_open(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        ana.dial(BEA)
        second = exchange.phone(BEA)
        assert second.new() == ["call:incoming"]
        assert bea.new() == ["call:incoming"]

    def test_a_caller_who_comes_back_is_told_nothing(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        assert exchange.phone(ANA).new() == []

    def test_a_stranger_is_told_nothing(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        assert exchange.phone(STRANGER).new() == []

    def test_the_answer_of_a_device_that_rang_by_push(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        bea = exchange.phone(BEA)
        assert bea.accept()["state"] == "accepted"
        assert bea.new() == ["call:incoming", "ack"]


class TestOncePerConnectionAndCall:
    def test_an_older_socket_that_takes_over_is_not_rung_twice(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        ana.dial(BEA)
        second = exchange.phone(BEA)
        second.leave()
        assert bea.new() == ["call:incoming"]

    def test_an_older_socket_that_takes_over_rings_if_it_never_did(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        second = exchange.phone(BEA)
        ana.dial(BEA)
        assert (bea.new(), second.new()) == ([], ["call:incoming"]), "only the newest is rung"
        second.leave()
        [incoming] = bea.news()
        assert incoming.payload["resumed"] is True

    def test_the_stop_goes_where_it_rang(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.speak()
        second = exchange.phone(BEA)
        second.leave()
        bea.new()
        ana.cancel()
        assert bea.new() == stop("cancelled")

    def test_the_closing_of_an_older_socket_changes_nothing(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        second = exchange.phone(BEA)
        ana.dial(BEA)
        second.new()
        bea.leave()
        assert second.new() == []
        ana.cancel()
        assert second.new() == stop("cancelled")

    def test_commands_are_taken_from_any_socket_of_a_device(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        second = exchange.phone(BEA)
        ana.dial(BEA)
        assert bea.accept()["state"] == "accepted"
        assert second.accept()["duplicate"] is True, "it is the same device, so it is the winner"


class TestTheCallWasAccepted:
    def test_the_dialling_device_was_away(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        bea.accept()
        assert exchange.phone(ANA).new() == ["call:accepted"]

    def test_it_was_sent_into_the_void(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        assert ana.new()[-1] == "call:accepted"
        ana.leave()
        assert exchange.phone(ANA).new() == ["call:accepted"]

    def test_it_was_told(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.speak()
        ana.leave()
        assert exchange.phone(ANA).new() == []

    def test_told_once_more_it_is_told(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        bea.accept()
        second = exchange.phone(ANA)
        second.speak()
        second.leave()
        assert exchange.phone(ANA).new() == []

    def test_another_device_of_the_caller_that_did_not_dial(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        assert exchange.phone(ANA, "tablet").new() == []

    def test_all_devices_of_the_caller_while_the_one_that_dialled_is_away(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        tablet = exchange.phone(ANA, "tablet")
        ana.dial(BEA)
        ana.leave()
        bea.accept()
        assert tablet.new() == ["call:accepted"]
        assert exchange.phone(ANA).new() == ["call:accepted"]

    def test_a_device_of_the_receiver_that_rang_and_was_away(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        tablet = exchange.phone(BEA, "tablet")
        ana.dial(BEA)
        tablet.leave()
        bea.accept()
        assert exchange.phone(BEA, "tablet").new() == ["call:ended/answered_elsewhere"]

    def test_the_winner_comes_back(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        bea.leave()
        assert exchange.phone(BEA).new() == []

    def test_call_ringing_goes_to_the_dialling_device_or_nowhere(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        tablet = exchange.phone(ANA, "tablet")
        ana.dial(BEA)
        ana.leave()
        bea.ringing()
        assert tablet.new() == []


class TestTheReceiverAnsweredByRestOnly:
    """Her phone rang, she answered without her socket, and it reconnects while the winner is open."""

    @pytest.fixture
    def back(self, exchange: Exchange, ana: Phone, bea: Phone) -> Phone:
        ana.dial(BEA)
        exchange.accepted(ANA, BEA)
        bea.leave()
        return exchange.phone(BEA)

    def test_she_hears_the_end_of_the_call(self, ana: Phone, back: Phone) -> None:
        ana.end()
        assert back.new() == stop("completed")

    def test_she_hears_that_another_device_took_the_call(self, exchange: Exchange, ana: Phone, back: Phone) -> None:
        exchange.phone(BEA, "tablet").accept()
        assert back.new() == stop("answered_elsewhere")

    def test_the_backend_learns_that_she_was_told(self, exchange: Exchange, ana: Phone, back: Phone) -> None:
        ana.leave()
        assert exchange.ended(ANA, BEA)[1] is True

    def test_a_device_that_never_rang_is_told_the_end_only(self, exchange: Exchange, ana: Phone, back: Phone) -> None:
        tablet = exchange.phone(BEA, "tablet")
        ana.end()
        assert tablet.new() == ["call:ended/completed"]


class TestTheCallEnded:
    @pytest.mark.parametrize(("age", "told"), [(59.5, ["call:ended/declined"]), (60.5, [])])
    def test_less_than_a_minute_ago(
        self, exchange: Exchange, ana: Phone, bea: Phone, age: float, told: list[str]
    ) -> None:
        ana.dial(BEA)
        ana.leave()
        bea.reject()
        exchange.wait(age)
        assert exchange.phone(ANA).new() == told

    def test_told_later_it_is_never_rejected_timeout_or_busy(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.reject()
        assert ana.new() == ["ack", "call:rejected/declined"]
        ana.leave()
        assert exchange.phone(ANA).new() == ["call:ended/declined"], "the word was lost; it is told in another form"

    def test_it_was_told(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.reject()
        ana.speak()
        bea.speak()
        ana.leave()
        bea.leave()
        assert exchange.phone(ANA).new() == []
        assert exchange.phone(BEA).new() == []

    @pytest.mark.parametrize("who", ["ana", "bea"])
    def test_the_one_who_hung_up_knows(self, exchange: Exchange, ana: Phone, bea: Phone, who: str) -> None:
        ana.dial(BEA)
        bea.accept()
        ender, user = (ana, ANA) if who == "ana" else (bea, BEA)
        ender.end()
        ender.leave()
        assert exchange.phone(user).new() == []

    def test_the_one_who_cancelled_knows(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.cancel()
        ana.leave()
        assert exchange.phone(ANA).new() == []

    def test_the_one_who_dialled_another_call_knows(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_1")
        ana.dial(BEA, "CALL_2")
        ana.leave()
        assert exchange.phone(ANA).new() == []

    def test_a_phone_that_rang_and_lost_its_network(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.leave()
        ana.cancel()
        assert exchange.phone(BEA).new() == ["call:ended/cancelled"]

    def test_a_phone_whose_stop_went_into_the_void(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.speak()
        ana.cancel()
        bea.leave()
        assert exchange.phone(BEA).new() == ["call:ended/cancelled"]

    def test_a_phone_that_rang_by_push_only(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        ana.cancel()
        assert exchange.phone(BEA).new() == ["call:ended/cancelled"]

    def test_a_device_that_was_never_in_an_answered_call(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.end()
        assert exchange.phone(BEA, "tablet").new() == []
        assert exchange.phone(ANA, "tablet").new() == []

    def test_a_call_that_was_refused_as_busy_never_rang(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.phone(STRANGER).dial(BEA, "CALL_3")
        ana.dial(BEA)
        assert exchange.phone(BEA, "tablet").new() == ["call:incoming"], "only of the call that rings"

    def test_several_calls_in_the_order_they_were_dialled(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_1")
        bea.leave()
        ana.cancel("CALL_1")
        ana.dial(BEA, "CALL_2")
        ana.cancel("CALL_2")
        ana.dial(BEA, "CALL_3")
        news = exchange.phone(BEA).news()
        assert [(heard.name, heard.payload["callId"]) for heard in news] == [
            ("call:ended", "CALL_1"),
            ("call:ended", "CALL_2"),
            ("call:incoming", "CALL_3"),
        ]

    def test_a_lost_call_is_told_to_whoever_comes_back(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.leave()
        bea.leave()
        exchange.wait(121)
        assert exchange.call().code == "connection_lost"
        assert exchange.phone(ANA).new() == ["call:ended/connection_lost"]
        assert exchange.phone(BEA).new() == ["call:ended/connection_lost"]

    def test_an_older_socket_that_takes_over_is_told(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        second = exchange.phone(ANA)
        second.dial(BEA)
        bea.reject()
        second.leave()
        assert ana.new() == ["call:ended/declined"], "the newest fell silent with the word"


class TestUnheard:
    def test_a_new_socket_of_the_device_shows_what_the_old_one_never_heard(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        """The app opens a second socket while its first is still reconnecting, as the server sees it."""
        ana.dial(BEA)
        bea.accept()
        assert ana.new() == ["ack", "call:accepted"]
        assert exchange.phone(ANA).new() == ["call:accepted"], "the first is still open, but it was silent since"

    def test_only_what_came_after_the_last_packet_counts_as_untold(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.speak()
        bea.end()
        ana.leave()
        assert exchange.phone(ANA).new() == ["call:ended/completed"]

    def test_a_burst_is_untold_together(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA, "CALL_1")
        bea.speak()
        ana.cancel("CALL_1")
        ana.dial(BEA, "CALL_2")
        ana.cancel("CALL_2")
        bea.leave()
        news = exchange.phone(BEA).news()
        assert [heard.payload["callId"] for heard in news] == ["CALL_1", "CALL_2"]

    def test_the_timeline_says_so(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.leave()
        unheard = [(step.by, step.device, step.detail) for step in exchange.steps() if step.what == "unheard"]
        assert unheard == [(BEA, bea.device, "call:incoming")]


class TestTheTimeline:
    def test_it_names_command_device_time_and_whom_was_told(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.wait(2)
        bea.accept()
        exchange.wait(3)
        ana.end()
        start = exchange.call().created
        steps = [
            (step.at - start, step.what, step.by or step.to, step.device, step.detail, step.told)
            for step in exchange.steps()
        ]
        assert steps == [
            (0, "call:initiate", ANA, "d:1", "", ()),
            (0, "told", BEA, "", "call:incoming", ("d:1",)),
            (2000, "call:accept", BEA, "d:1", "", ()),
            (2000, "told", ANA, "", "call:accepted", ("d:1",)),
            (5000, "call:end", ANA, "d:1", "", ()),
            (5000, "ended", ANA, "", "completed", ()),
            (5000, "told", BEA, "", "call:ended", ("d:1",)),
        ]

    def test_it_says_what_was_refused_and_what_was_said_before(
        self, exchange: Exchange, ana: Phone, bea: Phone
    ) -> None:
        ana.dial(BEA)
        ana.accept()
        bea.accept()
        bea.accept()
        bea.reject()
        exchange.terminate()
        said = [(step.what, step.detail, step.channel) for step in exchange.steps() if step.channel]
        assert said == [
            ("call:initiate", "", "socket"),
            ("call:accept", "refused: forbidden", "socket"),
            ("call:accept", "", "socket"),
            ("call:accept", "duplicate", "socket"),
            ("call:reject", "refused: conflict", "socket"),
            ("end", "", "operator"),
        ]
