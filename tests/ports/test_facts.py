"""What every `Facts` promises: in the order of the words, each word of `settled` answered once. Memory keeps none."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest

from onlycare_socket.calls.ids import Millis
from tests.phones import START
from tests.ports.adapters import STORES, Stored, Transactions, a_call, put


@pytest.fixture(params=STORES)
def stored(request: pytest.FixtureRequest) -> Iterator[Stored]:
    make: Callable[[], AbstractContextManager[Stored]] = STORES[request.param]
    with make() as stored:
        yield stored


def test_a_new_store_knows_nothing(stored: Stored) -> None:
    assert dict(stored.facts.former("kind")) == {}


def test_what_is_kept_now_is_for_the_next_process(stored: Stored) -> None:
    stored.facts.keep("kind", "key", b"body", Millis(START + 1_000))
    stored.settle()
    assert dict(stored.facts.former("kind")) == {}


def test_each_who_waits_is_told_once_and_in_order(stored: Stored) -> None:
    told: list[int] = []
    stored.facts.settled(partial(told.append, 0))
    stored.facts.keep("kind", "key", b"body")
    stored.facts.settled(partial(told.append, 1))
    stored.facts.drop("kind", "key")
    stored.facts.drop("kind", "unknown")
    stored.facts.settled(partial(told.append, 2))
    stored.facts.settled(partial(told.append, 3))
    stored.settle()
    assert told == [0, 1, 2, 3]


def test_one_who_waits_may_begin_anew(stored: Stored) -> None:
    told: list[str] = []

    def again() -> None:
        told.append("first")
        stored.facts.keep("kind", "key", b"other")
        stored.facts.settled(partial(told.append, "second"))

    stored.facts.keep("kind", "key", b"body")
    stored.facts.settled(again)
    stored.settle()
    assert told == ["first", "second"]


def test_facts_hold_up_no_decision(stored: Stored) -> None:
    stored.facts.keep("kind", "key", b"body")
    calls = Transactions(stored)
    calls.run(put(a_call()))
    assert calls.find("1") == a_call()
