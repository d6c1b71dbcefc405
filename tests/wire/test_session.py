"""The rules of one session: every phase with everything that can happen in it, and the heartbeat."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlycare_socket.wire.session import INBOUND, TRANSITIONS, Due, Happening, Inbound, Machine, Phase, Timing

TIMING = Timing(ping_interval=25.0, ping_timeout=20.0, upgrade_timeout=10.0)


def machine(phase: Phase = Phase.POLLING, now: float = 100.0) -> Machine:
    return Machine(TIMING, phase, now)


ALLOWED = {
    (Phase.POLLING, Happening.SOCKET_OPENED): Phase.PROBING,
    (Phase.POLLING, Happening.CLOSE): Phase.CLOSED,
    (Phase.PROBING, Happening.PROBE): Phase.PROBED,
    (Phase.PROBING, Happening.SOCKET_LOST): Phase.POLLING,
    (Phase.PROBING, Happening.CLOSE): Phase.CLOSED,
    (Phase.PROBED, Happening.UPGRADE): Phase.WEBSOCKET,
    (Phase.PROBED, Happening.SOCKET_LOST): Phase.POLLING,
    (Phase.PROBED, Happening.CLOSE): Phase.CLOSED,
    (Phase.WEBSOCKET, Happening.CLOSE): Phase.CLOSED,
}


@pytest.mark.parametrize(("phase", "happening"), list(itertools.product(Phase, Happening)))
def test_every_phase_with_everything_that_can_happen(phase: Phase, happening: Happening) -> None:
    session = machine(phase)
    expected = ALLOWED.get((phase, happening))
    assert session.step(happening, 100.0) is (expected is not None)
    assert session.phase is (expected or phase)


def test_the_table_names_every_phase_and_nothing_leaves_closed() -> None:
    assert set(TRANSITIONS) == set(Phase)
    assert TRANSITIONS[Phase.CLOSED] == {}


def test_what_a_client_may_send() -> None:
    allowed = {bytes([code]): INBOUND.get(bytes([code])) for code in range(256) if bytes([code]) in INBOUND}
    assert allowed == {
        b"1": Inbound.CLOSE,
        b"3": Inbound.PONG,
        b"4": Inbound.MESSAGE,
        b"5": Inbound.NOTHING,
        b"6": Inbound.NOTHING,
    }


def test_an_unanswered_ping_closes_the_session() -> None:
    session = machine()
    assert session.next_due() == 125.0
    assert session.tick(124.9) is None
    assert session.tick(125.0) is Due.PING
    assert session.tick(125.0) is None
    assert session.next_due() == 145.0
    assert session.tick(144.9) is None
    assert session.tick(145.0) is Due.PING_TIMEOUT


def test_a_late_tick_gives_a_silent_client_no_more_time() -> None:
    session = machine()
    assert session.tick(144.0) is Due.PING
    assert session.next_due() == 145.0


def test_a_pong_puts_the_next_ping_one_interval_away() -> None:
    session = machine()
    session.tick(125.0)
    session.pong(126.0)
    assert session.next_due() == 151.0


def test_a_pong_nobody_asked_for_counts_for_nothing() -> None:
    session = machine()
    session.pong(120.0)
    assert session.tick(125.0) is Due.PING


def test_never_two_pings_are_outstanding() -> None:
    session = machine()
    assert session.begin_ping(110.0)
    assert not session.begin_ping(111.0)
    assert session.tick(125.0) is None
    session.pong(126.0)
    assert session.begin_ping(127.0)


def test_an_upgrade_has_a_time_limit_from_its_opening() -> None:
    session = machine()
    session.step(Happening.SOCKET_OPENED, 100.0)
    session.step(Happening.PROBE, 109.0)
    assert session.next_due() == 110.0
    assert session.tick(110.0) is Due.UPGRADE_TIMEOUT
    assert session.tick(110.0) is None


@pytest.mark.parametrize("end", [Happening.UPGRADE, Happening.SOCKET_LOST, Happening.CLOSE])
def test_a_finished_upgrade_has_no_limit(end: Happening) -> None:
    session = machine()
    session.step(Happening.SOCKET_OPENED, 100.0)
    session.step(Happening.PROBE, 100.0)
    session.step(end, 101.0)
    assert session.upgrade_by == math.inf


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60))
def test_pings_and_pongs_alternate_whatever_the_times(steps: list[tuple[float, bool]]) -> None:
    session, now, outstanding = machine(now=0.0), 0.0, 0
    for wait, answers in steps:
        now += wait
        due = session.tick(now)
        if due is Due.PING_TIMEOUT:
            assert outstanding == 1
            return
        outstanding += due is Due.PING
        assert outstanding <= 1
        assert session.ping_outstanding is (outstanding == 1)
        if answers and outstanding:
            session.pong(now)
            outstanding = 0
