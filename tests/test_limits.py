"""Budgets against a plain model, and what they promise to thousands of phones behind one address."""

import tracemalloc
from collections import defaultdict
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlycare_socket.limits import STEP, ConnectBudget, EventBudget, FailedAuthDelay, counted_as

CARRIER = "203.0.113.7"
PROXIES = (ip_network("127.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("::1/128"))


class TestEventBudget:
    def test_a_hundred_events_in_one_minute_pass_and_the_next_is_refused(self) -> None:
        budget = EventBudget(100)
        assert all(budget.allow("5", second * 0.59) for second in range(100))
        assert not budget.allow("5", 59.9)
        assert budget.refused == 1

    def test_after_a_minute_and_a_step_the_whole_budget_is_there_again(self) -> None:
        budget = EventBudget(100)
        assert [budget.allow("5", 7.0) for _ in range(101)].count(True) == 100
        assert not budget.allow("5", 67.0)
        assert [budget.allow("5", 72.0) for _ in range(101)] == [True] * 100 + [False]

    def test_it_comes_back_bit_by_bit_as_it_was_spent(self) -> None:
        budget = EventBudget(100)
        assert all(budget.allow("5", at) for at in [2.0] * 40 + [8.0] * 50 + [31.0] * 10)
        assert [budget.allow("5", 65.0) for _ in range(41)] == [True] * 40 + [False]
        assert [budget.allow("5", 70.0) for _ in range(51)] == [True] * 50 + [False]

    def test_users_do_not_spend_each_others_budget(self) -> None:
        budget = EventBudget(2)
        assert [budget.allow(user, 0.0) for user in "aaabbb"] == [True, True, False, True, True, False]

    def test_forced_events_count_but_always_pass(self) -> None:
        budget = EventBudget(3)
        assert all(budget.allow("5", 0.0, forced=True) for _ in range(10))
        assert not budget.allow("5", 59.0)
        assert budget.allow("5", 59.0, forced=True)
        assert budget.refused == 1

    def test_a_refused_event_does_not_count(self) -> None:
        budget = EventBudget(1)
        assert budget.allow("5", 0.0)
        assert not budget.allow("5", 59.0)
        assert budget.allow("5", 65.0)

    def test_zero_turns_it_off(self) -> None:
        budget = EventBudget(0)
        assert all(budget.allow("5", 0.0) for _ in range(1000))
        assert len(budget) == 0

    def test_idle_users_are_forgotten(self) -> None:
        budget = EventBudget(100)
        for user in range(500):
            budget.allow(str(user), 0.0)
        assert len(budget) == 500
        for now in (66.0, 132.0, 198.0):
            budget.allow("awake", now)
        assert len(budget) == 1

    def test_after_a_long_silence_all_are_forgotten_at_once(self) -> None:
        budget = EventBudget(100)
        for user in range(500):
            budget.allow(str(user), 0.0)
        budget.allow("awake", 3600.0)
        assert len(budget) == 1

    @given(
        limit=st.integers(1, 4),
        events=st.lists(
            st.tuples(
                st.sampled_from("ab"),
                st.sampled_from([0.0, 0.5, 4.9, 7.0, 20.0, 59.5, 60.0, 61.0, 65.0]),
                st.booleans(),
            ),
            max_size=60,
        ),
    )
    def test_it_does_what_a_log_would_that_forgets_within_a_step_after_a_minute(
        self, limit: int, events: list[tuple[str, float, bool]]
    ) -> None:
        budget = EventBudget(limit)
        log: dict[str, list[float]] = defaultdict(list)
        now = 0.0
        for user, pause, forced in events:
            now += pause
            ages = [now - at for at in log[user]]
            passed = budget.allow(user, now, forced=forced)
            if forced:
                assert passed
            elif sum(age < 60.0 for age in ages) >= limit:
                assert not passed
            elif sum(age < 60.0 + STEP for age in ages) < limit:
                assert passed
            if passed:
                log[user].append(now)

    def test_a_user_costs_the_same_whatever_the_limit(self) -> None:
        def size(limit: int, events: int) -> int:
            tracemalloc.start()
            budget = EventBudget(limit)
            for number in range(events):
                budget.allow("5", number * 300.0 / events)
            used = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            return used

        assert size(1_000_000, 100_000) < size(100, 100) + 1000


class TestFailedAuthDelay:
    def test_the_first_failures_are_free_and_the_wait_doubles_up_to_its_most(self) -> None:
        delay = FailedAuthDelay(free=2, first=0.25, most=3.0)
        waits = []
        for _ in range(9):
            waits.append(delay.wait(CARRIER, 0.0))
            delay.failed(CARRIER, 0.0)
        assert waits == [0, 0, 0, 0.25, 0.5, 1.0, 2.0, 3.0, 3.0]

    def test_failures_are_forgiven_with_time_however_many_there_were(self) -> None:
        delay = FailedAuthDelay(free=2, forgiven_after=10.0)
        for _ in range(100_000):
            delay.failed(CARRIER, 0.0)
        assert delay.wait(CARRIER, 0.0) == 3.0
        assert delay.wait(CARRIER, 101.0) == 0.0

    def test_another_address_does_not_wait(self) -> None:
        delay = FailedAuthDelay(free=0)
        delay.failed(CARRIER, 0.0)
        assert delay.wait(CARRIER, 0.0) > 0
        assert delay.wait("203.0.113.8", 0.0) == 0.0

    def test_a_trusted_proxy_never_waits(self) -> None:
        delay = FailedAuthDelay(PROXIES, free=0)
        for address in ("127.0.0.1", "10.1.9.9", "::1", "::ffff:127.0.0.1"):
            delay.failed(address, 0.0)
            assert delay.wait(address, 0.0) == 0.0
        assert len(delay) == 0

    def test_it_remembers_a_bounded_number_of_addresses_and_drops_the_oldest(self) -> None:
        delay = FailedAuthDelay(free=0, remembered=3)
        for last in (1, 2, 3, 1, 4):
            delay.failed(f"203.0.113.{last}", 0.0)
        assert len(delay) == 3
        assert delay.wait("203.0.113.2", 0.0) == 0.0
        assert delay.wait("203.0.113.1", 0.0) > 0


class TestConnectBudget:
    def test_a_burst_passes_and_then_so_many_a_second(self) -> None:
        budget = ConnectBudget(per_second=2.0, burst=5)
        assert [budget.allow(CARRIER, 0.0) for _ in range(6)] == [True] * 5 + [False]
        assert [budget.allow(CARRIER, 1.0) for _ in range(3)] == [True, True, False]
        assert budget.refused == 2

    def test_a_whole_carrier_comes_back_at_once_within_the_default(self) -> None:
        budget = ConnectBudget()
        assert all(budget.allow(CARRIER, 0.0) for _ in range(2000))

    def test_a_trusted_proxy_is_never_limited(self) -> None:
        budget = ConnectBudget(PROXIES, per_second=1.0, burst=1)
        assert all(budget.allow("127.0.0.1", 0.0) for _ in range(10))

    def test_zero_turns_it_off(self) -> None:
        budget = ConnectBudget(per_second=0, burst=0)
        assert all(budget.allow(CARRIER, 0.0) for _ in range(10))
        assert len(budget) == 0

    def test_it_remembers_a_bounded_number_of_addresses(self) -> None:
        budget = ConnectBudget(remembered=10)
        for last in range(200):
            budget.allow(f"203.0.113.{last}", 0.0)
        assert len(budget) == 10


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::5", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::5", "2001:db8:1:3::/64"),
        ("10.1.2.3", None),
        ("::1", None),
        ("", None),
        ("unknown", None),
    ],
)
def test_the_name_an_address_counts_under(address: str, name: str | None) -> None:
    assert counted_as(address, PROXIES) == name
