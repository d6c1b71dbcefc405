"""The sentences at the end of a timeline: who and when, why it ended, and if it did not ring, why not."""

import pytest
from msgspec.structs import replace

from onlycare_socket.calls.call import Step
from onlycare_socket.calls.ids import Millis
from onlycare_socket.calls.states import Code
from onlycare_socket.calls.timeline import LEFT_OUT, leave_one_out, summary
from tests.calls.situations import ANA, BEA, OTHER
from tests.phones import ID, Exchange, Phone


def told(exchange: Exchange, call_id: str = ID) -> str:
    return summary(exchange.call(call_id), exchange.steps(call_id))


class TestWhyItEnded:
    def test_a_talk_from_beginning_to_end(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        assert told(exchange) == f"{ANA} called {BEA} (audio): ringing."
        exchange.wait(2)
        bea.accept()
        assert told(exchange) == f"{ANA} called {BEA} (audio): answered after 2.0 s, talking."
        exchange.wait(5)
        ana.end()
        assert told(exchange) == (
            f"{ANA} called {BEA} (audio): answered after 2.0 s, completed after 5.0 s of talk. {ANA} hung up."
        )

    def test_the_words_of_the_one_who_declined(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.reject(reason="driving")
        assert told(exchange).endswith(f'declined after 0.0 s. {BEA} declined: "driving".')

    def test_the_backend_that_does_not_say_who(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.ended(ANA, BEA)
        assert " The backend cancelled before anybody answered. " in told(exchange)
        ana.dial(BEA, "CALL_18")
        bea.accept("CALL_18")
        exchange.ended(ANA, BEA, "CALL_18")
        assert told(exchange, "CALL_18").endswith(" of talk. The backend said that it was over.")

    def test_the_backend_that_says_who(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        exchange.ended(ANA, BEA, by=BEA)
        assert told(exchange).endswith(f" of talk. {BEA} hung up.")

    def test_a_caller_who_vanished(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.leave()
        exchange.wait(16)
        assert f" {ANA} lost the connection while it rang, and did not come back in time. " in told(exchange)

    def test_two_who_vanished(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        ana.leave()
        bea.leave()
        exchange.wait(121)
        assert told(exchange).endswith(" Neither of the two was connected any more, and neither came back in time.")

    def test_the_longest_talk(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        exchange.wait(4 * 3_600 + 1, sweep=60)
        assert told(exchange).endswith(" of talk. It reached the longest time that a call may take.")

    def test_an_operator(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.accept()
        exchange.terminate()
        assert told(exchange).endswith(" of talk. An operator ended it.")


class TestWhoGaveWay:
    def test_a_receiver_in_another_call(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        carl = exchange.phone("9")
        carl.dial(BEA, "1")
        bea.accept("1")
        ana.dial(BEA)
        assert told(exchange).endswith(f"busy after 0.0 s. {BEA} was in call 1. It never rang.")

    def test_a_caller_in_another_call(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(OTHER, "CALL_1")
        exchange.phone(ANA, "tablet").dial(BEA)
        assert told(exchange).endswith(f" {ANA} was in call CALL_1 on another device. It never rang.")

    def test_two_who_dialled_each_other(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.dial(ANA, "CALL_1")
        ana.dial(BEA)
        assert told(exchange).endswith(
            "glare after 0.0 s. The two dialled each other: "
            f"{BEA} was ringing {ANA} already in call CALL_1, which goes on. It never rang."
        )

    def test_a_receiver_who_dialled_while_it_rang(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.dial(OTHER, "CALL_2")
        assert f" It gave way: {BEA} dialled call CALL_2 while it rang. " in told(exchange)

    def test_a_caller_who_dialled_again(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.dial(BEA, "CALL_2")
        assert f" It gave way to another call: {ANA} dialled call CALL_2. " in told(exchange)

    def test_a_call_that_the_backend_accepted(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        exchange.accepted(ANA, BEA, "CALL_2")
        assert " It gave way to another call: the backend accepted call CALL_2. " in told(exchange)


class TestWhetherItRang:
    def test_a_receiver_without_a_socket(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        ana.cancel()
        assert told(exchange).endswith(
            f"{ANA} cancelled before anybody answered. "
            f"No phone rang over a socket: {BEA} had none connected, so it rang by push if at all."
        )

    def test_a_receiver_without_a_socket_and_nobody_who_pushes(self, exchange: Exchange, ana: Phone) -> None:
        exchange.push.can_wake = False
        ana.dial(BEA)
        exchange.wait(31)
        assert told(exchange).endswith(
            f"No phone of {BEA} could be reached, by socket or by push. "
            f"It never rang: {BEA} had no connected phone, and nobody pushes."
        )

    def test_a_phone_that_was_silent(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.wait(10)
        ana.dial(BEA)
        bea.session.probes.pop()(False)
        exchange.wait(31)
        assert told(exchange).endswith(
            "Nobody answered in time. It was sent to the receiver's phones, but none of them showed a sign of life."
        )

    def test_a_phone_that_went_away(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        bea.leave()
        exchange.wait(31)
        assert told(exchange).endswith(" It was sent to 1 phone, which lost the connection before any sign of life.")

    def test_a_phone_that_came_by_push(self, exchange: Exchange, ana: Phone) -> None:
        ana.dial(BEA)
        exchange.phone(BEA).ringing()
        exchange.wait(31)
        assert told(exchange).endswith(" It was sent to 1 phone, which said that it rang.")

    def test_several_phones(self, exchange: Exchange, ana: Phone) -> None:
        phones = [exchange.phone(BEA, str(number)) for number in range(5)]
        exchange.wait(10)
        ana.dial(BEA)
        phones[0].ringing()
        phones[1].session.probes.pop()(False)
        for phone in phones[2:4]:
            phone.session.probes.pop()(True)
        exchange.wait(31)
        assert told(exchange).endswith(
            " It was sent to 5 phones: 2 answered the ping, but did not say that it rang,"
            " 1 did not say that it rang, 1 said that it rang, 1 showed no sign of life."
        )

    def test_an_end_that_overtook_its_initiate(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        bea.reject()
        ana.dial(BEA)
        assert told(exchange).endswith(f"{BEA} declined. It never rang: its end had come before it was dialled.")

    def test_a_call_that_was_accepted_before_it_was_dialled(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        exchange.accepted(ANA, BEA)
        exchange.terminate()
        assert told(exchange).endswith("An operator ended it. No phone rang over a socket before it was accepted.")

    def test_nothing_is_made_up_when_the_steps_are_gone(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        ana.cancel()
        assert summary(exchange.call(), ()).endswith(" before anybody answered. Its steps are not kept any more.")


@pytest.mark.parametrize("code", list(Code))
def test_every_code_makes_a_sentence(exchange: Exchange, ana: Phone, code: Code) -> None:
    """Also a code that no call ends with today."""
    ana.dial(BEA)
    ana.cancel()
    text = summary(replace(exchange.call(), code=code), exchange.steps())
    assert ". ." not in text
    assert not text.endswith("..")


class TestALongTimeline:
    def test_a_line_stands_for_what_is_left_out(self) -> None:
        steps = [Step(Millis(number), "x") for number in range(10)]
        for _ in range(3):
            leave_one_out(steps, 4)
        assert [step.at for step in steps] == [0, 1, 2, 3, 4, 8, 9]
        assert (steps[4].what, steps[4].detail) == (LEFT_OUT, "4")

    def test_the_sentence_says_how_many(self, exchange: Exchange, ana: Phone, bea: Phone) -> None:
        ana.dial(BEA)
        steps = [*exchange.steps(), Step(Millis(1), LEFT_OUT, detail="37")]
        assert summary(exchange.call(), steps).endswith(": ringing. 37 steps in the middle are left out.")
