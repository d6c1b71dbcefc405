"""What is decided and not in the file yet, and the form in which one commit writes it: an entry of the journal."""

from collections import deque
from typing import Any, Final

import msgspec
from msgspec import msgpack

from onlycare_socket.adapters.kept import FIRST_STEPS, MAX_STEPS
from onlycare_socket.calls.call import Call, Early, Step
from onlycare_socket.calls.ids import CallId, Millis
from onlycare_socket.calls.timeline import leave_one_out

MOST_EARLY: Final = 100_000
"""Early commands that wait for a file that cannot be written; the oldest are forgotten first."""

FactKey = tuple[str, str]
"""A kind and a key."""
Fact = tuple[Millis | None, bytes] | None
"""Until when it is kept and what it says; None: it is dropped."""

CallRow = tuple[str, str, str, int, int | None, bytes]
"""A call as it is now: its id, caller and receiver, when it was dialled and when it ended, and all of it packed."""
Piece = tuple[str, bytes]
"""Steps that came to the timeline of a call, packed."""

Entry = tuple[list[CallRow], list[Piece], list[Early], list[tuple[FactKey, Fact]]]
"""What one commit writes. A call stands in it once, early commands in their order."""

_encode: Final = msgpack.Encoder().encode
decode_entry: Final = msgpack.Decoder(Entry).decode


class Unsaved:
    """Calls and facts as they are now, with the steps and early commands that came since."""

    __slots__ = ("begins", "calls", "early", "facts", "steps")

    def __init__(self) -> None:
        self.calls: dict[CallId, Call] = {}
        self.steps: dict[CallId, list[Step]] = {}
        """Of each call as many as its timeline has at the most."""
        self.early: deque[Early] = deque(maxlen=MOST_EARLY)
        self.facts: dict[FactKey, Fact] = {}
        self.begins = 0
        """The number of an empty file that it begins, holding every live call with its whole timeline; 0: of none."""

    def __bool__(self) -> bool:
        return bool(self.calls or self.steps or self.early or self.facts)

    def log(self, call: CallId, step: Step) -> None:
        """Takes what came to the timeline of a call."""
        steps = self.steps.get(call)
        if steps is None:
            self.steps[call] = [step]
            return
        if len(steps) >= MAX_STEPS:
            leave_one_out(steps, FIRST_STEPS)
        steps.append(step)

    def put_back(self, older: "Unsaved") -> None:
        """Takes what could not be saved; what came meanwhile is newer."""
        for call, steps in self.steps.items():
            for step in steps:
                older.log(call, step)
        self.steps = older.steps
        self.calls = {**older.calls, **self.calls}
        self.facts = {**older.facts, **self.facts}
        older.early.extend(self.early)
        self.early = older.early
        self.begins = max(older.begins, self.begins)

    def entry(self) -> tuple[Entry, bytes]:
        """Returns it all as an entry of the journal, and that in bytes."""
        entry: Entry = (
            [_row(call) for call in self.calls.values()],
            [(call, packed(steps)) for call, steps in self.steps.items()],
            list(self.early),
            list(self.facts.items()),
        )
        try:
            return entry, _encode(entry)
        except UnicodeEncodeError:  # in an id: what is filed is what stands in the journal
            body = packed(entry)
            return decode_entry(body), body


def _row(call: Call) -> CallRow:
    return call.id, call.caller.user, call.receiver.user, call.created, call.ended, packed(call)


def packed(record: object) -> bytes:
    """Returns a record as msgpack; half characters, which no encoding has, become question marks."""
    try:
        return _encode(record)
    except UnicodeEncodeError:
        return _encode(_whole(msgspec.to_builtins(record, builtin_types=(bytes,))))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list | tuple) else value
