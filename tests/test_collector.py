"""The collector looks at what is new, and at everything only when the process has grown much."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from onlycare_socket.collector import EVERY, GROWTH, GROWTH_BYTES, Collector, resident_bytes


class Knot:
    """Holds itself: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


class Size:
    """How large the process says it is."""

    def __init__(self) -> None:
        self.blocks = 1000
        self.bytes = 1_000_000

    def __call__(self) -> int:
        return self.blocks

    def resident(self) -> int:
        return self.bytes


@pytest.fixture
def size() -> Size:
    """A process that can be made larger."""
    return Size()


@pytest.fixture
def collector(size: Size) -> Iterator[Collector]:
    """A started one; the collector of the tests is left as it was."""
    before = gc.get_threshold(), list(gc.callbacks)
    collector = Collector(size, size.resident)
    collector.start()
    yield collector
    collector.stop()
    assert (gc.get_threshold(), gc.callbacks) == before
    assert gc.get_freeze_count() == 0


def sweeps(collector: Collector, times: int = EVERY) -> None:
    for _ in range(times):
        collector.sweep()


@pytest.mark.usefixtures("collector")
def test_young_knots_are_freed_by_looking_at_the_young() -> None:
    knot = weakref.ref(Knot())
    gc.collect(1)
    assert knot() is None


def test_what_is_old_is_looked_at_again_only_when_the_process_has_grown(collector: Collector, size: Size) -> None:
    kept = Knot()
    gc.collect(1)  # survives, and is frozen with all that lives
    assert gc.get_objects(generation=2) == []
    knot = weakref.ref(kept)
    del kept
    gc.collect()
    assert knot() is not None
    size.blocks += GROWTH
    sweeps(collector)
    assert knot() is not None
    size.blocks += 1
    sweeps(collector, EVERY - 1)
    assert knot() is not None
    collector.sweep()
    assert knot() is None
    assert collector.full == 1
    sweeps(collector)
    assert collector.full == 1


def test_growth_counts_from_when_it_was_smallest(collector: Collector, size: Size) -> None:
    size.blocks += GROWTH
    sweeps(collector)
    size.blocks -= GROWTH + 500
    sweeps(collector)
    size.blocks += GROWTH + 500
    sweeps(collector)
    assert collector.full == 1


def test_few_large_buffers_count_too(collector: Collector, size: Size) -> None:
    size.bytes += GROWTH_BYTES
    sweeps(collector)
    assert collector.full == 0
    size.bytes += 1
    sweeps(collector, 2 * EVERY)
    assert collector.full == 1


def test_resident_memory_is_read_of_this_process() -> None:
    assert 1_000_000 < resident_bytes() < 100_000_000_000


def test_nothing_is_done_before_the_start_and_after_the_stop(size: Size) -> None:
    collector = Collector(size)
    size.blocks += 2 * GROWTH
    sweeps(collector)
    collector.stop()
    assert collector.full == 0
