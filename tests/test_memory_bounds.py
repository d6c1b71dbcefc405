"""No unbounded growth: 50,000 calls, floods of every kind, and what is left of them in memory afterwards."""

from inspect import isgetsetdescriptor, ismemberdescriptor

import pytest

from onlycare_socket.adapters import memory
from onlycare_socket.adapters.kept import MAX_STEPS
from onlycare_socket.calls.call import MAX_LEGS
from onlycare_socket.clock import SystemClock
from onlycare_socket.sockets import Connection
from tests.calls.situations import ANA, BEA
from tests.phones import Exchange, HandClock, Phone


def containers(thing: object) -> dict[str, int]:
    """The sizes of every container reachable from an object of ours, by path; calls and phones are leaves."""
    sizes: dict[str, int] = {}
    seen: set[int] = set()

    def walk(value: object, path: str) -> None:
        if id(value) in seen or isinstance(value, HandClock | SystemClock | Connection):
            return
        seen.add(id(value))
        if isinstance(value, dict) or hasattr(value, "maxlen") or isinstance(value, list | set):
            sizes[path] = sizes.get(path, 0) + len(value)  # type: ignore[arg-type]
            inner = list(value.values()) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
            for each in inner:
                walk(each, path + "[]")
        elif type(value).__module__.startswith(("onlycare_socket.adapters", "onlycare_socket.sockets")):
            for name in attributes(value):
                walk(getattr(value, name), f"{path}.{name}")

    walk(thing, type(thing).__name__)
    return sizes


def attributes(thing: object) -> list[str]:
    """What an object holds: in its dict or its slots, or in the fields of a compiled class."""
    found = [name for name, value in vars(type(thing)).items() if is_field(value)]
    return [*getattr(thing, "__dict__", ()), *(name for name in found if not name.startswith("__"))]


def is_field(value: object) -> bool:
    """Whether this stands in a class for what its instances hold."""
    return ismemberdescriptor(value) or isgetsetdescriptor(value)


def play(exchange: Exchange, caller: Phone, receiver: Phone, number: int) -> None:
    """One call, ended in one of several ways, and a command on a call that never comes."""
    call_id = f"CALL_{number}"
    caller.dial(receiver.shown, call_id)
    if number % 5 == 0:
        receiver.reject(call_id)
    elif number % 5 == 1:
        caller.cancel(call_id)
    elif number % 5 == 2:
        exchange.accepted(caller.shown, receiver.shown, call_id)
        caller.end(call_id)
    elif number % 5 == 3:
        receiver.accept(call_id)
        caller.end(call_id)
    else:
        receiver.reject(f"CALL_early{number}")
        exchange.terminate(call_id)
    for phone in (caller, receiver):
        phone.forget()


def test_fifty_thousand_calls_leave_a_bounded_memory() -> None:
    exchange = Exchange(ended_calls=1_000)
    phones = [exchange.phone(f"USR_{number}") for number in range(100)]
    for number in range(50_000):
        play(exchange, phones[number % 50], phones[50 + number % 50], number)
        if number % 10 == 0:
            exchange.clock.run(1)
            exchange.switchboard.sweep()
    sizes = containers(exchange.store)
    store = "MemoryCallStore"
    assert sizes[f"{store}._kept"] == 1_000
    assert sizes[f"{store}._ended"] == 1_000
    assert sizes[f"{store}._live"] == 0
    assert sizes[f"{store}._live_calls"] == 0
    assert sizes[f"{store}._unpacked"] == memory.UNPACKED
    assert sizes[f"{store}._kept[]._steps"] <= memory.UNPACKED * MAX_STEPS
    assert sizes[f"{store}._of_user"] <= 100
    assert sizes[f"{store}._of_user[]"] <= 100 * memory.RECENT
    assert max(sizes.values()) <= 20_000, sizes
    assert all(size <= 100 * memory.EARLY_PER_USER for path, size in sizes.items() if "_early" in path), sizes
    assert all(size == 0 for path, size in sizes.items() if "_timers" in path), sizes


def test_timelines_are_kept_of_the_newest_ended_calls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ENDED_TIMELINES", 10)
    exchange = Exchange()
    ana = exchange.phone(ANA)
    exchange.phone(BEA)
    for number in range(30):
        ana.dial(BEA, f"CALL_{number}")
        ana.cancel(f"CALL_{number}")
    assert [number for number in range(30) if exchange.steps(f"CALL_{number}")] == list(range(20, 30))
    assert exchange.find("CALL_0") is not None


def test_one_call_has_so_many_steps_at_the_most() -> None:
    exchange = Exchange()
    ana = exchange.phone(ANA)
    bea = exchange.phone(BEA)
    ana.dial(BEA)
    for _ in range(1_000):
        bea.ringing()
    assert len(exchange.steps()) == MAX_STEPS


def test_one_call_has_so_many_legs_at_the_most() -> None:
    exchange = Exchange()
    exchange.phone(ANA).dial(BEA)
    for number in range(200):
        phone = exchange.phone(BEA, f"device-{number}")
        phone.ringing()
        phone.leave()
    assert len(exchange.call().legs) == MAX_LEGS


def test_ended_calls_are_kept_up_to_the_setting_oldest_dropped_first() -> None:
    exchange = Exchange(ended_calls=5)
    ana = exchange.phone(ANA)
    for number in range(8):
        ana.dial(BEA, f"CALL_{number}")
        ana.cancel(f"CALL_{number}")
    assert [number for number in range(8) if exchange.find(f"CALL_{number}")] == [3, 4, 5, 6, 7]


def test_a_flood_of_commands_on_unknown_calls_is_remembered_twenty_deep() -> None:
    exchange = Exchange()
    ana = exchange.phone(ANA)
    for number in range(5_000):
        ana.reject(f"CALL_{number}")
    sizes = containers(exchange.store)
    assert all(size <= memory.EARLY_PER_USER for path, size in sizes.items() if "_early" in path), sizes
    exchange.wait(61, sweep=1)
    assert all(size == 0 for path, size in containers(exchange.store).items() if "_early" in path)


def test_nothing_is_left_of_a_user_whose_calls_are_forgotten() -> None:
    exchange = Exchange(ended_calls=1)
    for number in range(100):
        ana = exchange.phone(f"USR_{number}")
        ana.dial(f"USR_{number + 1_000}", f"CALL_{number}")
        ana.cancel(f"CALL_{number}")
    assert containers(exchange.store)["MemoryCallStore._of_user"] == 2


def test_a_thousand_connections_leave_nothing_but_who_was_seen() -> None:
    exchange = Exchange()
    for number in range(1_000):
        phone = exchange.phone(f"USR_{number % 10}", f"device-{number}")
        phone.leave()
    sizes = containers(exchange.sockets)
    assert sizes["NodeSockets._users"] == 0
    assert sizes["NodeSockets._seen"] == 10


def test_a_flood_does_not_push_the_end_out_of_a_timeline() -> None:
    exchange = Exchange()
    ana, bea = exchange.phone(ANA), exchange.phone(BEA)
    ana.dial(BEA)
    for _ in range(300):
        bea.ringing()
    bea.accept()
    ana.end()
    steps = [step.what for step in exchange.steps()]
    assert len(steps) == MAX_STEPS
    assert steps[0] == "call:initiate"
    assert steps[-2:] == ["ended", "told"]
    assert "call:accept" in steps


def test_a_call_that_was_forgotten_and_dialled_again_is_listed_once() -> None:
    exchange = Exchange(ended_calls=1)
    ana, bea = exchange.phone(ANA), exchange.phone(BEA)
    for call_id in ("1", "2", "1"):
        ana.dial(bea.shown, call_id)
        ana.end(call_id)
    assert [call.id for call in exchange.store.calls_of(ana.user)] == ["1"]
    ana.dial(bea.shown, "3")
    ana.end("3")
    ana.dial(bea.shown, "1")
    assert [call.id for call in exchange.store.calls_of(ana.user)] == ["1", "3"]
