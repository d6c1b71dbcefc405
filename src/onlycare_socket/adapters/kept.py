"""A call in memory with its timeline: as records while it is in use, packed once it has ended.

An ended call is some forty objects, and thousands are kept for late answers. Packed it is two strings of bytes: half of
the memory (0.9 KB instead of 1.9), and what the next calls are made of lies in the processor's cache
(docs/performance.md).
"""

from typing import Final

from msgspec import msgpack

from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.ids import CallId, Millis
from onlycare_socket.calls.timeline import leave_one_out

MAX_STEPS: Final = 200
FIRST_STEPS: Final = 150
"""Of a timeline that grows longer than `MAX_STEPS`, the first so many and the newest are kept, and how many are not."""

_encode: Final = msgpack.Encoder().encode
_decode_call: Final = msgpack.Decoder(Call).decode
_decode_steps: Final = msgpack.Decoder(list[Step]).decode


def shortened(steps: list[Step]) -> list[Step]:
    """Returns a timeline no longer than `MAX_STEPS`: the same list."""
    while len(steps) > MAX_STEPS:
        leave_one_out(steps, FIRST_STEPS)
    return steps


class Kept:
    """A call as it is now, and its timeline until that is dropped."""

    __slots__ = ("_call", "_packed_call", "_packed_steps", "_steps", "caller", "ended", "id", "receiver")

    def __init__(self, call: Call, steps: list[Step] | None = None) -> None:
        self.id: CallId = call.id
        self.caller = call.caller.user
        self.receiver = call.receiver.user
        self.ended: Millis | None = call.ended
        self._call: Call | None = call
        self._steps: list[Step] | None = steps if steps is not None else []
        self._packed_call = b""
        self._packed_steps = b""

    @property
    def call(self) -> Call:
        """The call as it is now."""
        call = self._call
        return call if call is not None else _decode_call(self._packed_call)

    @property
    def packed(self) -> bool:
        """Whether it is to be unpacked before anything is changed."""
        return self._call is None

    def steps(self) -> tuple[Step, ...]:
        """Returns the timeline, empty when it was dropped."""
        if self._packed_steps:
            return tuple(_decode_steps(self._packed_steps))
        return tuple(self._steps) if self._steps is not None else ()

    def change(self, call: Call) -> None:
        """Takes the call as it is from now on."""
        self._call = call
        self.ended = call.ended

    def log(self, step: Step) -> None:
        """Adds a line to the timeline."""
        steps = self._steps
        if steps is not None:
            if len(steps) >= MAX_STEPS:
                leave_one_out(steps, FIRST_STEPS)
            steps.append(step)

    def drop_steps(self) -> None:
        """Forgets the timeline for good."""
        self._steps = None
        self._packed_steps = b""

    def pack(self) -> None:
        """Makes it small; text that is no Unicode cannot be packed, and stays as it is."""
        try:
            packed_call = _encode(self._call)
            packed_steps = _encode(self._steps) if self._steps is not None else b""
        except UnicodeEncodeError:
            return
        self._call, self._packed_call = None, packed_call
        self._steps, self._packed_steps = None, packed_steps

    def unpack(self) -> None:
        """Makes it changeable again."""
        self._call = _decode_call(self._packed_call)
        self._packed_call = b""
        if self._packed_steps:
            self._steps = _decode_steps(self._packed_steps)
            self._packed_steps = b""
