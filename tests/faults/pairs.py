"""The calls that a fault is aimed at: each is brought into a phase, struck, and then goes on as people like.

A pair is somebody who dials and somebody who is dialled. `prepare` brings their call into the phase, `at_strike` does
what is under way while the fault strikes, and `afterwards` is what they do then, whatever their phones show.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from .people import Person
from .phone import Phone
from .stage import Stage

PHASES: Final = ("ringing", "accepting", "accepted", "ending", "reconnecting")
_SOON: Final = 3.0
"""Seconds in which what no fault disturbs has happened."""


class Pair:
    """One call between two people."""

    def __init__(self, stage: Stage, caller: Person, receiver: Person, phase: str) -> None:
        self._stage = stage
        self._caller = caller
        self._receiver = receiver
        self._phase = phase
        self.call = caller.new_call()
        self._random = caller.random(f"{phase} {self.call}")
        self._under_way: list[asyncio.Task[object]] = []
        self._accepted = phase == "accepted" or (phase in ("ending", "reconnecting") and self._random.random() < 0.5)

    # ------------------------------------------------------------ before

    async def prepare(self) -> None:
        """Brings the call into the phase; notes when that does not work without any fault."""
        if not await self._caller.dial(self._receiver, self.call):
            self._stage.trouble(f"{self.call} could not be dialled before the fault")
        await self._receiver.wait_for_ring(self.call, _SOON)
        if self._random.random() < 0.5:
            await self._receiver.press("call:ringing", self.call, self._answering)
        if self._accepted:
            await self._receiver.press("call:accept", self.call, self._answering)
            if not await self._caller.wait(self.call, "accepted", _SOON):
                self._stage.trouble(f"{self.call} was not accepted before the fault")

    @property
    def _answering(self) -> Phone:
        return self._receiver.phones[-1]

    # ------------------------------------------------------------ meanwhile

    async def at_strike(self) -> None:
        """Begins what is under way when the fault strikes; nobody waits for it here."""
        if self._phase == "accepting":
            self._begin(self._receiver.press("call:accept", self.call, self._answering))
            if self._random.random() < 0.3:
                self._begin(self._caller.press("call:cancel", self.call))
            elif len(self._receiver.phones) > 1 and self._random.random() < 0.5:
                self._begin(self._receiver.press("call:accept", self.call, self._receiver.phones[0]))
        elif self._phase == "ending":
            self._begin_to_end()
        elif self._phase == "reconnecting":
            await self._drop_connections()
        await asyncio.sleep(self._random.uniform(0.0, 0.01))

    def _begin(self, doing: Awaitable[object]) -> None:
        self._under_way.append(asyncio.ensure_future(doing))

    def _begin_to_end(self) -> None:
        by_caller = self._random.choice(("call:cancel", "call:end"))
        by_receiver = "call:end" if self._accepted else self._random.choice(("call:reject", "call:end"))
        who = self._random.choice(("caller", "receiver", "both", "twice"))
        if who != "receiver":
            self._begin(self._caller.press(by_caller, self.call))
        if who in ("receiver", "both"):
            self._begin(self._receiver.press(by_receiver, self.call, self._answering))
        if who == "twice":
            self._begin(self._caller.press("call:end", self.call))

    async def _drop_connections(self) -> None:
        """Takes the network from some phones, or lets them close and come back, as at a rotation of the screen."""
        who = self._random.choice(((self._caller,), (self._receiver,), (self._caller, self._receiver)))
        rotated = self._random.random() < 0.3
        for person in who:
            if rotated:
                self._begin(person.leave(0.0))
            else:
                self._stage.proxy.reset([phone.port for phone in person.phones])
        await asyncio.sleep(self._random.uniform(0.0, 0.2))

    # ------------------------------------------------------------ afterwards

    async def afterwards(self) -> None:
        """Goes on with the call, as the people's phones show it, until it is over or they leave it to the server."""
        await asyncio.sleep(self._random.uniform(0.0, 2.0))
        if self._phase == "ending":
            await asyncio.gather(*self._under_way)
            if self._random.random() < 0.5:
                await self._caller.insist("call:end", self.call)
            return
        if self._caller.shows.get(self.call) == "accepted" or self._accepted:
            await self._random.choice(_TALKS)(self)
        else:
            await self._random.choice(_RINGS)(self)
        await asyncio.gather(*self._under_way)

    async def ring_out(self) -> None:
        """Nobody does anything: the server ends it."""
        terms = self._stage.terms
        await self._caller.wait(self.call, "ended", terms.ring_timeout + terms.call_grace + _SOON)

    async def answer(self) -> None:
        """The receiver answers after all, and one of them hangs up."""
        await self._receiver.insist("call:accept", self.call, self._random.choice(self._receiver.phones))
        await self._caller.wait(self.call, "accepted", 1.0)
        await self._random.choice((Pair.hang_up, Pair.receiver_hangs_up))(self)

    async def decline(self) -> None:
        """The receiver declines."""
        await self._receiver.insist("call:reject", self.call, self._random.choice(self._receiver.phones))

    async def cancel(self) -> None:
        """The caller gives up."""
        await self._caller.insist(self._random.choice(("call:cancel", "call:end")), self.call)

    async def hang_up(self) -> None:
        """The caller hangs up."""
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await self._caller.insist("call:end", self.call)

    async def receiver_hangs_up(self) -> None:
        """The receiver hangs up."""
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await self._receiver.insist("call:end", self.call, self._answering)

    async def both_hang_up(self) -> None:
        """Both hang up at the same moment."""
        await asyncio.gather(self.hang_up(), self._receiver.insist("call:end", self.call, self._answering))

    async def caller_leaves(self) -> None:
        """The caller is gone for longer than his grace."""
        await self._caller.leave(self._stage.terms.caller_grace + 1.5)

    async def all_leave(self) -> None:
        """Both are gone for longer than an accepted call lives on."""
        seconds = self._stage.terms.call_grace + 1.5
        await asyncio.gather(self._caller.leave(seconds), self._receiver.leave(seconds))

    async def end_while_away(self) -> None:
        """One of them is gone for a moment, and the other ends the call meanwhile."""
        away, here = self._caller, self._receiver
        if self._random.random() < 0.5:
            away, here = here, away
        phone = self._answering if here is self._receiver else None
        await asyncio.gather(away.leave(1.2), self._end_soon(here, phone))

    async def _end_soon(self, person: Person, phone: Phone | None) -> None:
        await asyncio.sleep(0.2)
        await person.insist("call:end", self.call, phone)

    async def blink(self) -> None:
        """One of them is gone for a moment, and the call lives on."""
        person = self._random.choice((self._caller, self._receiver))
        await person.leave(self._random.uniform(0.1, 0.8))
        await self.hang_up()


_Ways = tuple[Callable[[Pair], Awaitable[None]], ...]
_RINGS: Final[_Ways] = (
    Pair.ring_out,
    Pair.ring_out,
    Pair.answer,
    Pair.decline,
    Pair.cancel,
    Pair.caller_leaves,
    Pair.end_while_away,
)
_TALKS: Final[_Ways] = (
    Pair.hang_up,
    Pair.receiver_hangs_up,
    Pair.both_hang_up,
    Pair.all_leave,
    Pair.blink,
    Pair.end_while_away,
)


class Overtaking(Pair):
    """A pair whose commands overtake the initiate: push is faster than the socket."""

    async def prepare(self) -> None:
        """Lets the receiver, or the caller, end what was not dialled yet."""
        random = Random(self._random.random())
        if random.random() < 0.7:
            event = random.choice(("call:reject", "call:end", "call:accept"))
            await self._receiver.press(event, self.call, self._answering)
        else:
            await self._caller.press("call:cancel", self.call)
        await self._caller.dial(self._receiver, self.call)

    async def at_strike(self) -> None:
        """Dials again: it never rings twice."""
        self._begin(self._caller.dial(self._receiver, self.call))
