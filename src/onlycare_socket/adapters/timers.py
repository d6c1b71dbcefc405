"""The deadlines of live calls, held as monotonic time, so that a jump of the wall clock moves none of them.

Slots of a quarter second: setting, moving and dropping a deadline take the same time however many there are, and
only live calls take up memory. A call whose deadline moves to later (a ring that is answered) stays in its slot and
is moved when that slot is swept: most calls are over by then.
"""

import math
from typing import Final

from onlycare_socket.calls.call import Call
from onlycare_socket.calls.ids import CallId, Millis
from onlycare_socket.calls.parts import deadlines_of
from onlycare_socket.calls.states import DeadlineKind

SLOT: Final = 0.25
"""Seconds: a deadline fires within this much after it passed, given that it is swept as often."""

AGAIN = 1.0
"""Seconds until a deadline that was named, but on which nothing was decided, is named again."""

_Timer = tuple[DeadlineKind, Millis, float]


class Timers:
    """Which deadline of which call passes when."""

    def __init__(self, monotonic: float) -> None:
        self._timers: dict[CallId, list[_Timer]] = {}
        self._slot_of: dict[CallId, int] = {}
        self._slots: dict[int, dict[CallId, None]] = {}
        self._swept = int(monotonic / SLOT)

    def __len__(self) -> int:
        return len(self._timers)

    def set(self, call: Call, wall: Millis, monotonic: float) -> None:
        """Takes the deadlines of a call as it is now. One that did not move keeps its monotonic time."""
        id_ = call.id
        before, timers, first = self._timers.get(id_), list[_Timer](), math.inf
        for kind, at in deadlines_of(call):
            due = _held(before, kind, at) if before is not None else math.inf
            if due == math.inf:
                due = monotonic + (at - wall) / 1000
            first = min(first, due)
            timers.append((kind, at, due))
        if timers:
            self._timers[id_] = timers
            self._place(id_, first)
        else:
            self.drop(id_)

    def drop(self, call: CallId) -> None:
        """Forgets the deadlines of a call."""
        self._timers.pop(call, None)
        self._leave_slot(call)

    def due(self, monotonic: float, limit: int) -> list[tuple[CallId, DeadlineKind]]:
        """Returns deadlines that have passed, at most `limit` calls' worth, and sets them for later once more."""
        found: list[tuple[CallId, DeadlineKind]] = []
        now = int(monotonic / SLOT)
        while self._swept <= now:
            slot = self._slots.get(self._swept)
            while slot and len(found) < limit:
                call = next(iter(slot))
                passed = [kind for kind, _, due in self._timers[call] if due <= monotonic]
                later = [due for _, _, due in self._timers[call] if due > monotonic]
                found += [(call, kind) for kind in passed]
                self._leave_slot(call)
                self._place(call, min([monotonic + AGAIN, *later] if passed else later))
                slot = self._slots.get(self._swept)
            if slot:
                break
            self._swept += 1
        return found

    def _place(self, call: CallId, due: float) -> None:
        """Puts a call where it is looked at in time; one that would be looked at earlier stays there."""
        # The slot after the one in which it passes: everything in a swept slot has passed.
        slot = max(int(due / SLOT), self._swept) + 1
        if self._slot_of.get(call, slot + 1) > slot:
            self._leave_slot(call)
            self._slot_of[call] = slot
            self._slots.setdefault(slot, {})[call] = None

    def _leave_slot(self, call: CallId) -> None:
        slot = self._slot_of.pop(call, None)
        if slot is not None:
            members = self._slots[slot]
            del members[call]
            if not members:
                del self._slots[slot]


def _held(before: list[_Timer], kind: DeadlineKind, at: Millis) -> float:
    """Returns when a deadline that is held already passes; infinity for one that is new."""
    for held, held_at, due in before:
        if held is kind and held_at == at:
            return due
    return math.inf
