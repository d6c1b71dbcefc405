"""Two phones that call each other over and over, each playing its part by a script.

A script is a list of what a phone is to hear in the course of one call, each exactly once, and what it says to that. A
call is over when both phones have heard all of it, the acks too. The order is not looked at where servers differ: one
acks before it tells the other phone, another after.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, NamedTuple

from bench.load.calls import CallIds, initiate, succeeded
from bench.load.frames import Template
from bench.load.loop import Loop
from bench.load.packets import pass_over, rewritten, shown
from bench.load.phone import Phone, Server
from bench.load.reports import Unexpected

ACK: Final = ord("3")
"""Second byte of an ack's packet."""


class Step(NamedTuple):
    """One thing to hear: how the packet begins, a bit that stands for it, and what to say then."""

    begins: bytes
    bit: int
    reply: Template | None = None


Script = Sequence[Step]


class Pair:
    """Who calls whom, and how far the call is."""

    __slots__ = ("_all", "_heard", "_ids", "_initiate", "_over", "begun", "call_id", "callee", "caller", "masked_id")

    def __init__(
        self,
        phones: tuple[Loop, Server, int],
        run: str,
        caller: Script,
        callee: Script,
        over: Callable[["Pair"], None],
    ) -> None:
        """`phones` says where the two phones are and the number of the first, an odd one."""
        loop, server, number = phones
        self.caller = Party(loop, server, number, self, caller)
        self.callee = Party(loop, server, number + 1, self, callee)
        self._initiate = initiate(self.callee.user)
        self._ids = CallIds(number // 2, run)
        self._all = sum(step.bit for step in (*caller, *callee))
        self._heard = self._all
        self._over = over
        self.begun = 0.0
        self.call_id = self.masked_id = b""

    def dial(self) -> None:
        """Begins the next call."""
        self._heard = 0
        self.call_id, self.masked_id = self._ids.next()
        self.begun = perf_counter()
        self.caller.send(self._initiate.around(self.masked_id))

    def hear(self, step: Step) -> None:
        """Notes that one of the two heard this."""
        if self._heard & step.bit:
            raise Unexpected(f"{shown(step.begins)} came twice in the call {shown(self.call_id)}, or after its end")
        self._heard |= step.bit

    def settle(self) -> None:
        """Ends the call when everything was heard."""
        if self._heard == self._all:
            self._over(self)


class Party(Phone):
    """One of the two phones."""

    __slots__ = ("_pair", "_script")

    def __init__(self, loop: Loop, server: Server, number: int, pair: Pair, script: Script) -> None:
        super().__init__(loop, server, number)
        self._pair, self._script = pair, script

    def hear(self, packet: bytes) -> None:
        """Plays the part."""
        pair = self._pair
        for step in self._script:
            if packet.startswith(step.begins):
                if packet[1] == ACK:
                    succeeded(packet)
                elif pair.call_id not in packet:
                    break
                pair.hear(step)
                if step.reply is not None:
                    self.send(step.reply.around(pair.masked_id))
                pair.settle()
                return
        self._otherwise(packet)

    def _otherwise(self, packet: bytes) -> None:
        """Reads what did not look as expected: it may only be spaced in another way."""
        same = rewritten(packet)
        if same != packet:
            self.hear(same)
        else:
            pass_over(packet, f"the next of the call {shown(self._pair.call_id)}")
