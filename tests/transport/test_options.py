"""Settings that cannot work are refused when they are made."""

from typing import Any

import pytest

from onlycare_socket.transport.farewell import KEPT, MAX_KEPT, Farewells
from onlycare_socket.transport.heartbeat import Wheel
from onlycare_socket.transport.options import ServerOptions

from .test_heartbeat import FakeLoop


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "socket.io/"},
        {"path": "/socket.io"},
        {"ping_interval": 0},
        {"ping_timeout": -1},
        {"connect_timeout": 0},
        {"max_payload": 0},
        {"max_queued": 0},
    ],
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        ServerOptions(**wrong)


def farewells() -> tuple[Farewells, FakeLoop]:
    loop = FakeLoop()
    fake: Any = loop
    return Farewells(Wheel(0.1, fake)), loop


def test_last_words_are_told_once() -> None:
    kept, loop = farewells()
    kept.keep("a", [b"1"], loop.now)
    assert kept.take("b") is None
    assert kept.take("a") == b"1"
    assert kept.take("a") is None


def test_last_words_nobody_fetches_are_dropped() -> None:
    kept, loop = farewells()
    kept.keep("a", [b"1"], loop.now)
    loop.go_to(loop.now + KEPT / 2)
    kept.keep("b", [b"1"], loop.now)
    loop.go_to(loop.now + KEPT / 2 + 1)
    assert kept.take("a") is None
    assert kept.take("b") == b"1"
    kept.keep("c", [b"1"], loop.now)
    loop.go_to(loop.now + 2 * KEPT)
    assert kept.take("c") is None


def test_last_words_have_a_total_size() -> None:
    kept, loop = farewells()
    for number in range(10):
        kept.keep(str(number), [b"x" * (MAX_KEPT // 4)], loop.now)
    assert [number for number in range(10) if kept.take(str(number))] == [6, 7, 8, 9]
