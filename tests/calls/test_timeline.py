"""The sentence at the end of a timeline: who and when, why it ended, and if it did not ring, why not."""

from onlycare_socket.calls.timeline import summary
from tests.calls.situations import ANA, BEA
from tests.phones import ID, Exchange, Phone


def told(exchange: Exchange, call_id: str = ID) -> str:
    return summary(exchange.call(call_id), exchange.steps(call_id))


def test_a_talk_from_beginning_to_end(exchange: Exchange, ana: Phone) -> None:
    bea = exchange.phone(BEA)
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


def test_a_receiver_without_a_socket(exchange: Exchange, ana: Phone) -> None:
    ana.dial(BEA)
    ana.cancel()
    assert told(exchange).endswith(
        f"{ANA} cancelled before anybody answered. "
        "No phone rang over a socket: the receiver had none, so it rang by push if at all."
    )


def test_a_phone_that_was_silent(exchange: Exchange, ana: Phone) -> None:
    bea = exchange.phone(BEA)
    exchange.wait(10)
    ana.dial(BEA)
    bea.session.probes.pop()(False)
    exchange.wait(31)
    assert told(exchange).endswith(
        "Nobody answered in time. It was sent to the receiver's phones, but none of them showed a sign of life."
    )


def test_a_call_that_was_refused_as_busy(exchange: Exchange, ana: Phone) -> None:
    bea, carl = exchange.phone(BEA), exchange.phone("9")
    carl.dial(BEA, "1")
    bea.accept("1")
    ana.dial(BEA)
    assert told(exchange).endswith("busy after 0.0 s. One of the two was in another call. It never rang.")


def test_an_end_that_overtook_its_initiate(exchange: Exchange, ana: Phone) -> None:
    bea = exchange.phone(BEA)
    bea.reject()
    ana.dial(BEA)
    assert told(exchange).endswith(f"{BEA} declined. It never rang: its end had come before it was dialled.")


def test_a_call_that_was_accepted_before_it_was_dialled(exchange: Exchange, ana: Phone) -> None:
    exchange.phone(BEA)
    exchange.accepted(ANA, BEA)
    exchange.terminate()
    assert told(exchange).endswith("An operator ended it. No phone rang over a socket before it was accepted.")
