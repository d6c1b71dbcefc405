"""The bare system calls: that all messages are taken and answered, not how long it takes."""

import pytest

from bench import syscalls


def test_every_message_is_read_and_answered_twice() -> None:
    costs = syscalls.measure(pairs=3, seconds=0.1, warmup=0.05)
    assert costs.cycles > 0
    assert 0 < costs.messages_per_wait <= 3
    assert min(costs.recv, costs.send, costs.epoll_wait) > 0
    parts = 3 * costs.recv + 6 * costs.send + 3 * costs.epoll_wait / costs.messages_per_wait
    assert costs.microseconds_per_cycle == pytest.approx(parts, rel=0.01)
