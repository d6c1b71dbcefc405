"""The breaker's three states, on a clock that stands still until it is moved."""

from onlycare_socket.adapters.breaker import Breaker


class Moment:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def state(breaker: Breaker) -> str:
    """Reads the state anew, which a type checker would take for constant."""
    return breaker.state


def opened(clock: Moment) -> Breaker:
    breaker = Breaker(clock, failures=3, open_for=2.0)
    for asker in "abc":
        assert breaker.enter()
        breaker.failed(asker)
    assert state(breaker) == "open"
    return breaker


def test_failures_of_different_askers_in_a_row_open_it() -> None:
    opened(Moment())


def test_a_success_in_between_starts_the_row_anew() -> None:
    breaker = Breaker(Moment(), failures=3)
    for asker in "abcdefgh":
        breaker.failed(asker)
        if asker in "bdfh":
            breaker.succeeded()
    assert state(breaker) == "closed"


def test_one_asker_counts_once() -> None:
    breaker = Breaker(Moment(), failures=2)
    for _ in range(10):
        breaker.failed("a")
    assert state(breaker) == "closed"
    breaker.failed("b")
    assert state(breaker) == "open"


def test_open_it_lets_nobody_through_until_its_time_is_up() -> None:
    clock = Moment()
    breaker = opened(clock)
    clock.now += 1.5
    assert not breaker.enter()
    assert breaker.wait() == 0.5
    clock.now += 0.5
    assert breaker.wait() == 0.0


def test_then_one_probe_and_nobody_else() -> None:
    clock = Moment()
    breaker = opened(clock)
    clock.now += 2.0
    assert breaker.enter()
    assert state(breaker) == "probing"
    assert not breaker.enter()


def test_a_probe_that_succeeds_closes_it() -> None:
    clock = Moment()
    breaker = opened(clock)
    clock.now += 2.0
    breaker.enter()
    breaker.succeeded()
    assert state(breaker) == "closed"
    assert breaker.enter()
    breaker.failed("a")
    assert state(breaker) == "closed", "the row begins anew"


def test_a_probe_that_fails_opens_it_for_the_same_time_again() -> None:
    clock = Moment()
    breaker = opened(clock)
    clock.now += 2.0
    breaker.enter()
    breaker.failed("d")
    assert state(breaker) == "open"
    assert breaker.wait() == 2.0
    assert breaker.opened == 2


def test_late_failures_of_requests_from_before_do_not_keep_it_open_longer() -> None:
    clock = Moment()
    breaker = opened(clock)
    clock.now += 1.9
    breaker.failed("z")
    clock.now += 0.1
    assert breaker.enter()


def test_a_probe_that_never_reports_is_replaced() -> None:
    clock = Moment()
    breaker = opened(clock)
    clock.now += 2.0
    assert breaker.enter()
    clock.now += 2.0
    assert breaker.enter()
    assert not breaker.enter()
