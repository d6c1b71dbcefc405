"""Two phones that call each other over and over, each playing its part by a script.

A script is a list of what a phone is to hear in the course of one call, each exactly once, and what it says to that. A
call is over when both phones have heard all of it, the acks too. The order is not looked at where servers differ: one
acks before it tells the other phone, another after.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, NamedTuple

from bench.load.calls import CallIds, initiate, new_run, succeeded
from bench.load.frames import Template
from bench.load.loop import Loop
from bench.load.packets import shown
from bench.load.phone import Phone, Server
from bench.load.reports import Unexpected

ACK: Final = ord("3")
"""Second byte of an ack's packet."""

FINISHED: Final = 10.0
"""Seconds within which the last calls have to end."""


class Step(NamedTuple):
    """One thing to hear: how the packet begins, a bit that stands for it, what to say then, and whether it was awaited.

    The time between something that was said by a script and the timed step after it is what the call `took`.
    """

    begins: bytes
    bit: int
    reply: Template | None = None
    timed: bool = False


Script = Sequence[Step]


class Pair:
    """Who calls whom, and how far the call is."""

    __slots__ = (
        "_all",
        "_heard",
        "_ids",
        "_initiate",
        "_over",
        "_said",
        "begun",
        "call_id",
        "callee",
        "caller",
        "masked_id",
        "took",
    )

    def __init__(self, caller: "Party", callee: "Party", ids: CallIds, over: Callable[["Pair"], None]) -> None:
        """`over` is called at the end of every call."""
        self.caller, self.callee = caller, callee
        caller.pair = callee.pair = self
        self._initiate = initiate(callee.user)
        self._ids = ids
        self._all = sum(step.bit for step in (*caller.script, *callee.script))
        self._heard = self._all
        self._over = over
        self._said = self.begun = self.took = 0.0
        # In no packet: what is told of the calls of an earlier run, before the first of this one, is let pass.
        self.call_id = self.masked_id = b"\0"

    def dial(self) -> None:
        """Begins the next call."""
        self._heard = 0
        self.call_id, self.masked_id = self._ids.next()
        self.begun = perf_counter()
        self.caller.send(self._initiate.around(self.masked_id))

    @property
    def at_rest(self) -> bool:
        """Whether no call is under way."""
        return self._heard == self._all

    def hear(self, party: "Party", step: Step) -> None:
        """Notes that one of the two heard this, and lets him answer."""
        if self._heard & step.bit:
            raise Unexpected(f"{shown(step.begins)} came twice in the call {shown(self.call_id)}, or after its end")
        self._heard |= step.bit
        if step.reply is not None:
            self._said = perf_counter()
            party.send(step.reply.around(self.masked_id))
        elif step.timed:
            self.took = perf_counter() - self._said
        if self._heard == self._all:
            self._over(self)


class Party(Phone):
    """One of the two phones."""

    __slots__ = ("pair", "script")

    pair: Pair

    def __init__(self, loop: Loop, server: Server, number: int, script: Script) -> None:
        super().__init__(loop, server, number)
        self.script = script

    def hear(self, packet: bytes) -> None:
        """Plays the part."""
        pair = self.pair
        for step in self.script:
            if packet.startswith(step.begins):
                if packet[1] == ACK:
                    succeeded(packet)
                elif pair.call_id not in packet:
                    break
                pair.hear(self, step)
                return
        self.otherwise(packet, f"the next of the call {shown(pair.call_id)}")


def several(
    pairs: int, loop: Loop, server: Server, caller: Script, callee: Script, over: Callable[[Pair], None]
) -> list[Pair]:
    """Returns so many pairs, of the users from 1 on."""
    run = new_run()
    return [
        Pair(
            Party(loop, server, 2 * number + 1, caller),
            Party(loop, server, 2 * number + 2, callee),
            CallIds(number, run),
            over,
        )
        for number in range(pairs)
    ]


def phones_of(pairs: Sequence[Pair]) -> list[Phone]:
    """Returns the phones of all pairs."""
    return [phone for pair in pairs for phone in (pair.caller, pair.callee)]


def finish(loop: Loop, pairs: Sequence[Pair]) -> None:
    """Lets the calls under way come to their ends, so that nothing is left over for the next run.

    Raises Unexpected when one does not.
    """
    loop.run(lambda: all(pair.at_rest for pair in pairs), perf_counter() + FINISHED)
    if left := sum(not pair.at_rest for pair in pairs):
        raise Unexpected(f"{left} calls did not come to their end within {FINISHED:.0f} s")
