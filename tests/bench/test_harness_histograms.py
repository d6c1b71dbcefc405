"""What is read out of the server's histograms."""

from math import inf

import pytest

from bench.histograms import Histogram

HUNDRED = Histogram(((0.001, 50.0), (0.005, 90.0), (0.01, 99.0), (inf, 100.0)))


@pytest.mark.parametrize(
    ("share", "seconds"),
    [(0.25, 0.0005), (0.5, 0.001), (0.7, 0.003), (0.9, 0.005), (0.99, 0.01), (0.999, 0.01), (1.0, 0.01)],
)
def test_a_quantile_lies_within_its_bucket(share: float, seconds: float) -> None:
    assert HUNDRED.quantile(share) == pytest.approx(seconds)


def test_the_quantile_of_nothing_is_no_number() -> None:
    assert Histogram(((0.001, 0.0), (inf, 0.0))).quantile(0.5) == 0


def test_what_was_counted_between_two_readings() -> None:
    earlier = Histogram(((0.001, 40.0), (0.005, 41.0), (0.01, 41.0), (inf, 41.0)))
    during = HUNDRED.since(earlier)
    assert during.counts == ((0.001, 10.0), (0.005, 49.0), (0.01, 58.0), (inf, 59.0))
    assert during.total == 59


def test_the_largest_is_the_bound_that_nothing_exceeds() -> None:
    assert HUNDRED.largest == 0.01
    assert Histogram(((0.001, 5.0), (0.005, 7.0), (inf, 7.0))).largest == 0.005
    assert Histogram(((0.001, 0.0), (inf, 0.0))).largest == 0
