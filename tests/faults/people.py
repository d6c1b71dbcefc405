"""Users and their phones: what the phones show, what the users press, and the calls that they make by themselves.

Whatever somebody chooses comes from the seed, his name and the call, never from the order in which things happened:
the same seed makes the same choices.
"""

import asyncio
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, Final

from .evidence import RANK
from .phone import Phone

_LOOK_EVERY: Final = 0.02
"""Seconds between two looks at what a phone shows."""


class Person:
    """A user. `shows` is the state of each call as his phones know it."""

    def __init__(self, seed: str, name: str, phones: Sequence[Phone]) -> None:
        self.name = name
        self.phones = tuple(phones)
        self.shows: dict[str, str] = {}
        self.rung: dict[str, set[str]] = {}
        """The devices that rang for a call."""
        self.answers = False
        """Whether he takes calls as he likes, without the story's help."""
        self._seed = seed
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        for phone in phones:
            phone.heard = self._heard

    def random(self, about: object) -> Random:
        """Returns his choices about something."""
        return Random(f"{self._seed}/{self.name}/{about}")

    def new_call(self) -> str:
        """Returns an id for his next call: one that says nothing about time."""
        return f"CALL_{self._seed}-{self.name.removeprefix('USR_')}-{next(self._numbers)}"

    # ------------------------------------------------------------ pressing

    async def dial(self, receiver: "Person", call: str, phone: Phone | None = None) -> bool:
        """Dials; says whether the call was taken."""
        ack = await (phone or self.phones[0]).ask("call:initiate", dialled(receiver.name, call))
        taken = ack is not None and (ack["success"] or ack.get("useFcmFallback", False))
        if taken and ack is not None:
            self._show(call, ack.get("state", "ringing"))
        return taken

    async def press(self, event: str, call: str, phone: Phone | None = None) -> dict[str, Any] | None:
        """Sends a command about a call; returns the ack, or None when the connection broke meanwhile."""
        ack = await (phone or self.phones[0]).ask(event, {"callId": call})
        if ack is not None and ack.get("state") in RANK:
            self._show(call, ack["state"])
        return ack

    async def insist(self, event: str, call: str, phone: Phone | None = None) -> None:
        """Presses again while nothing happens and the phone does not show that the call is over."""
        for _ in range(3):
            if self.shows.get(call) == "ended" or await self.press(event, call, phone) is not None:
                return

    async def wait(self, call: str, state: str, within: float) -> bool:
        """Waits until his phones show at least this state; says whether they do."""
        return await _until(lambda: RANK[self.shows.get(call, "unknown")] >= RANK[state], within)

    async def wait_for_ring(self, call: str, within: float) -> bool:
        """Waits until all his devices ring; says whether they do."""
        return await _until(lambda: len(self.rung.get(call, ())) == len(self.phones), within)

    async def hang_up_everything(self) -> None:
        """Asks each phone what is live, and ends it."""
        for phone in self.phones:
            synced = await phone.ask("call:sync", {})
            for row in synced["calls"] if synced else ():
                self._show(row["callId"], row["state"])
                if row["state"] != "ended":
                    await self.press("call:end", row["callId"], phone)

    async def leave(self, seconds: float) -> None:
        """Switches all his phones off for some time."""
        for phone in self.phones:
            await phone.switch_off()
        await asyncio.sleep(seconds)
        for phone in self.phones:
            phone.switch_on()

    # ------------------------------------------------------------ of his own accord

    async def call_around(self, others: Sequence["Person"], over: asyncio.Event) -> None:
        """Dials one after the other, until it is over."""
        while not over.is_set():
            call = self.new_call()
            random = self.random(call)
            await asyncio.sleep(random.uniform(0.1, 0.8))
            if self.busy or over.is_set():
                continue
            phone = random.choice(self.phones)
            if await self.dial(random.choice(others), call, phone):
                await self._hold(call, phone, random)

    async def _hold(self, call: str, phone: Phone, random: Random) -> None:
        """Waits for an answer as long as he likes, and talks as long as he likes."""
        patience = random.choice((0.5, 1.5, 6.0))
        if not await self.wait(call, "accepted", patience):
            await self.press(random.choice(("call:cancel", "call:end")), call, phone)
        elif not await self.wait(call, "ended", random.uniform(0.1, 1.2)):
            await self.press("call:end", call, phone)

    async def _answer(self, call: str, phone: Phone) -> None:
        random = self.random(call)
        choice = random.choice(("accept", "accept", "reject", "show", "ignore"))
        await asyncio.sleep(random.uniform(0.02, 0.6))
        if choice == "show":
            await self.press("call:ringing", call, phone)
        elif choice == "reject":
            await self.press("call:reject", call, phone)
        elif choice == "accept":
            ack = await self.press("call:accept", call, phone)
            if ack and ack["success"] and not await self.wait(call, "ended", random.uniform(0.1, 1.5)):
                await self.press("call:end", call, phone)

    @property
    def busy(self) -> bool:
        """Whether a phone of his shows a live call."""
        return any(state != "ended" for state in self.shows.values())

    async def rest(self) -> None:
        """Stops what he began of his own accord."""
        self.answers = False
        await cancelled(self._tasks)

    # ------------------------------------------------------------ hearing

    def _heard(self, phone: Phone, event: str, payload: dict[str, Any]) -> None:
        call = payload["callId"]
        if event == "call:incoming":
            self.rung.setdefault(call, set()).add(phone.device)
            self._show(call, "ringing")
            if self.answers:
                task = asyncio.create_task(self._answer(call, phone))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        elif event == "call:accepted":
            self._show(call, "accepted")
        elif event in ("call:rejected", "call:timeout", "call:busy", "call:ended"):
            self._show(call, "ended")

    def _show(self, call: str, state: str) -> None:
        if state in RANK and RANK[state] >= RANK[self.shows.get(call, "unknown")]:
            self.shows[call] = state


def dialled(receiver: str, call: str) -> dict[str, object]:
    """Returns the payload of a `call:initiate`."""
    return {
        "receiverId": receiver,
        "callId": call,
        "callType": "audio",
        "channelName": f"channel of {call}",
        "agoraToken": "006agora",
    }


async def _until(holds: Callable[[], bool], within: float) -> bool:
    for _ in range(math.ceil(within / _LOOK_EVERY)):
        if holds():
            return True
        await asyncio.sleep(_LOOK_EVERY)
    return holds()


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Ends tasks. Raises what one of them raised by itself."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
