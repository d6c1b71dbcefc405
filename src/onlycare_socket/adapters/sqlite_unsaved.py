"""What is decided and not in the file yet."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import msgpack

from onlycare_socket.adapters.sqlite_writer import Batch, CallRow, StepsRow
from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.decision import Decision
from onlycare_socket.calls.ids import CallId, Millis

MOST_STEPS: Final = 100_000
"""Steps that wait for a file that cannot be written, and early commands; the oldest are forgotten first."""

_encode: Final = msgpack.Encoder().encode


class Unsaved:
    """Calls as they are now, with the steps and early commands that came since."""

    __slots__ = ("calls", "early", "steps")

    def __init__(self) -> None:
        self.calls: dict[CallId, Call] = {}
        self.steps: deque[tuple[CallId, Step]] = deque(maxlen=MOST_STEPS)
        self.early: deque[Early] = deque(maxlen=MOST_STEPS)

    def __bool__(self) -> bool:
        return bool(self.calls or self.steps or self.early)

    def add(self, decision: Decision, keeps: Callable[[CallId], bool]) -> bool:
        """Takes what a decision changed, of calls that are kept. Returns whether that was anything."""
        for call in decision.calls:
            self.calls[call.id] = call
        steps = [step for step in decision.steps if keeps(step[0])]
        self.steps.extend(steps)
        self.early.extend(decision.early)
        return bool(decision.calls or steps or decision.early)

    def note(self, call: Call, step: Step) -> None:
        """Takes what was added to a call."""
        self.calls[call.id] = call
        self.steps.append((call.id, step))

    def put_back(self, older: "Unsaved") -> None:
        """Takes what could not be saved; what came meanwhile is newer."""
        self.calls = {**older.calls, **self.calls}
        older.steps.extend(self.steps)
        older.early.extend(self.early)
        self.steps, self.early = older.steps, older.early

    def batch(self, number: int, forget_ended: Millis | None, now: Millis) -> Batch:
        """Returns what to commit; steps and early commands are numbered from `number` on, upwards."""
        return Batch(
            calls=[call_row(call) for call in self.calls.values()],
            steps=self._step_rows(number),
            early=[(number + place, early.until, packed(early)) for place, early in enumerate(self.early)],
            forget_ended=forget_ended,
            now=now,
        )

    @property
    def numbers(self) -> int:
        """How many numbers a batch takes."""
        return max(1, len(self.early))

    def _step_rows(self, number: int) -> list[StepsRow]:
        steps_of: dict[CallId, list[Step]] = {}
        for call, step in self.steps:
            steps_of.setdefault(call, []).append(step)
        return [(call, number, packed(steps)) for call, steps in steps_of.items()]


def call_row(call: Call) -> CallRow:
    """Returns a call as the file has it."""
    return call.id, call.caller.user, call.receiver.user, call.created, call.ended, packed(call)


def packed(record: object) -> bytes:
    """Returns a record as msgpack; half characters, which no encoding has, become question marks."""
    try:
        return _encode(record)
    except UnicodeEncodeError:
        return _encode(_whole(msgspec.to_builtins(record)))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value
