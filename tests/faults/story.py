"""What happens in a run: people call each other all the time, some calls are brought into a phase, and a fault strikes.

Then everybody comes back, hangs up, and it is tried whether everybody can dial and be dialled.
"""

import asyncio
from typing import Final

from .faults import Fault
from .pairs import Overtaking, Pair
from .people import Person, cancelled
from .record import Facts, Run
from .stage import Stage

PAIRS: Final = 6
CROWD: Final = 6
_WARM_UP: Final = 0.5
"""Seconds in which the crowd's first calls begin."""


class Story:
    """One run on a stage that is open."""

    def __init__(self, stage: Stage, fault: Fault, phase: str, seed: int) -> None:
        self._stage = stage
        self._fault = fault
        self._phase = phase
        self._seed = seed
        self._crowd: list[Person] = []
        self._pairs: list[Pair] = []

    async def play(self) -> None:
        """Plays it. Raises ServerFailure when the server cannot be brought back."""
        stage = self._stage
        if not stage.server.alive:
            await stage.start_server()
        self._cast()
        for phone in stage.phones:
            phone.switch_on()
        await stage.everybody_connected(10.0)
        await self._calls_and_fault()
        await self._come_to_an_end()
        await self._try_everybody()
        await self._look_at_every_call()

    def so_far(self) -> Run:
        """Returns the record as it is now."""
        facts = Facts(
            fault=self._fault.name,
            phase=self._phase,
            seed=self._seed,
            ring_timeout=self._stage.terms.ring_timeout,
            caller_grace=self._stage.terms.caller_grace,
            call_grace=self._stage.terms.call_grace,
            wall=self._stage.record.wall,
            slack=self._fault.slack,
            wall_jumps=self._fault.fake_clock,
        )
        return Run(facts, self._stage.record.entries)

    # ------------------------------------------------------------ who

    def _cast(self) -> None:
        """Pairs, each third receiver with two phones and each fourth caller; and a crowd."""
        for number in range(PAIRS):
            caller = self._person(f"USR_1{number}", 2 if number % 4 == 3 else 1)
            receiver = self._person(f"USR_2{number}", 2 if number % 3 == 0 else 1)
            overtaking = self._fault.name == "shuffle" and number % 3 == 2
            kind = Overtaking if overtaking else Pair
            self._pairs.append(kind(self._stage, caller, receiver, self._phase))
        for number in range(CROWD):
            person = self._person(f"USR_3{number}", 2 if number == 0 else 1)
            person.answers = True
            self._crowd.append(person)

    def _person(self, name: str, devices: int) -> Person:
        return self._stage.person(str(self._seed), name, devices, self._fault.pace)

    # ------------------------------------------------------------ the calls and the fault

    async def _calls_and_fault(self) -> None:
        stage, over = self._stage, asyncio.Event()
        around = [
            asyncio.create_task(person.call_around([each for each in self._crowd if each is not person], over))
            for person in self._crowd
        ]
        try:
            await asyncio.sleep(_WARM_UP)
            await asyncio.gather(*(pair.prepare() for pair in self._pairs))
            await asyncio.gather(*(pair.at_strike() for pair in self._pairs))
            stage.record.add("struck", event=self._fault.name)
            await asyncio.gather(self._fault.strike(stage), *(pair.afterwards() for pair in self._pairs))
            over.set()
        finally:
            await cancelled(around)
            for person in self._crowd:
                await person.rest()

    async def _come_to_an_end(self) -> None:
        """Everybody comes back and hangs up what he finds; the rest is for the server's own deadlines."""
        stage = self._stage
        await stage.everybody_connected(20.0)
        deadline = stage.record.now() + stage.terms.ring_timeout + stage.terms.call_grace + 2.0
        await asyncio.sleep(0.1)
        while (await stage.health()).get("activeCalls") != 0 and stage.record.now() < deadline:
            await asyncio.gather(*(person.hang_up_everything() for person in stage.people))
            await asyncio.sleep(0.2)
        await asyncio.gather(*(person.hang_up_everything() for person in stage.people))

    # ------------------------------------------------------------ afterwards

    async def _try_everybody(self) -> None:
        """Everybody dials his neighbour, who declines; in two rounds, so that nobody does two things at once."""
        people = self._stage.people
        ring = list(zip(people, [*people[1:], people[0]], strict=True))
        for half in (ring[::2], ring[1::2]):
            await asyncio.gather(*(self._try(caller, receiver) for caller, receiver in half))
        self._stage.record.add("health", body=await self._stage.health())

    async def _try(self, caller: Person, receiver: Person) -> None:
        call = caller.new_call()
        self._stage.record.add("probe", user=caller.name, call=call)
        if await caller.dial(receiver, call):
            await receiver.wait_for_ring(call, 2.0)
            await receiver.press("call:reject", call)
            await caller.wait(call, "ended", 2.0)

    async def _look_at_every_call(self) -> None:
        """Asks for each call that anybody ever named."""
        record, server = self._stage.record, self._stage.server
        for call in sorted({entry.call for entry in record.entries if entry.call}):
            asked = record.now()
            status, body = await server.ask(self._stage.http, f"/api/calls/{call}")
            record.add("seen", event="/api/calls", call=call, asked=asked, body={"status": status, **body})
            status, body = await server.ask(self._stage.http, f"/api/calls/{call}/timeline")
            record.add("timeline", call=call, body=body)
