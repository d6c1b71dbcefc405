"""Plays stories on one server with virtual phones.

Rules
- Phones stay connected from story to story, since each connect costs the backend a request; a story that is about
  connecting says so in its steps.
- A step is over when everything promised of it came or its time is up, and a moment later, for what nobody promised.
- A phone takes down only what is about a call of its own story: what comes late from the one before does not count.
- Every call that was dialled is ended before the next story, whatever became of it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from onlycare_socket.cli.compare.backend_requests import BackendRequests
from onlycare_socket.cli.compare.moves import dial
from onlycare_socket.cli.compare.names import Names
from onlycare_socket.cli.compare.pace import Pace
from onlycare_socket.cli.compare.people import People, Person, Role
from onlycare_socket.cli.compare.phone import Phone
from onlycare_socket.cli.compare.records import Heard, Take
from onlycare_socket.cli.compare.steps import Arrive, Ask, Leave, Say, Step, Story, Wait
from onlycare_socket.cli.failure import Unauthorized, Unreachable
from onlycare_socket.cli.virtual_phone import Transport

_BACK: Final = 5.0
"""Seconds a server that was there may be away, as while it is restarted."""
_TRIES: Final = 2
"""Times in a row that an event stays without its ack before that is waited for a moment only."""
_WAYS: Final = 3
"""Ways between phone, server and other phone within which what is not promised comes, too."""
_MORE: Final = 2.0
"""Seconds to wait beyond a ring: its end is noticed by a sweep."""
_PRESENCE: Final = ("user:online", "user:offline")
_STANDING: Final = (Role.CALLER, Role.RECEIVER, Role.THIRD)


class Manner(Struct, frozen=True):
    """How the stories are played, on both servers alike."""

    transport: Transport = "upgrade"
    patience: float = 1.0
    """Seconds to wait for an ack or an event that may not come."""
    settle: float = 0.1
    """Seconds that every step lasts beyond what was promised, for what nobody promised; more on a slow way."""
    ring: float = 30.0
    """Seconds a ring lasts."""


class Stage:
    """One server and the phones on it."""

    def __init__(self, label: str, url: str, secret: str | None, *, people: People, manner: Manner, pace: Pace) -> None:
        self.label = label
        self._url = url
        self._people = people
        self._manner = manner
        self._pace = pace
        self._settle = manner.settle
        self._news = asyncio.Event()
        self._phones: dict[Role, Phone] = {}
        self._dialled: list[tuple[Role, str]] = []
        self._unacked: Counter[str] = Counter()
        self._listening = frozenset(Role)
        self._presence = False
        self._known = False
        self._backend = BackendRequests(url, secret)
        self.names = Names(people)

    async def open(self) -> None:
        """Connects the phones for the first time. Raises Unreachable, or Unauthorized when a token is refused."""
        for role in _STANDING:
            if self._people.playing(role) is not None:
                await self.connect(role)
        self._known = True

    async def check_secret(self) -> None:
        """Raises Unauthorized when the server does not accept the secret. Without one nothing is asked."""
        if self._backend.has_secret:
            # No receiver is named, so nobody is told anything: the new server answers 422, the old one emitted:false.
            path = "/api/emit/call-cancelled"
            answer = await self._backend.ask(path, {}, with_secret=True)
            if answer["http"] not in (200, 422):
                raise Unauthorized(
                    f"the {self.label} server does not take LARAVEL_API_SECRET: POST {self._url}{path} answered "
                    f"{answer['http']}. Give the server's secret and its own address, not that of a proxy in front of "
                    f"it, or no secret to leave out what needs it"
                )

    def allow_for(self, way: float) -> None:
        """Makes steps last longer on a server that is far away: `way` is the ms that an event takes."""
        self._settle = max(self._settle, way * _WAYS / 1000)

    async def play(self, story: Story) -> list[Take]:
        """Plays a story and returns what happened at each step. Raises a Failure when the server is gone."""
        self.names.next_story()
        self._listening = frozenset(Role) if story.third else frozenset(Role) - {Role.THIRD}
        self._presence = story.presence
        for role in _STANDING if story.third else _STANDING[:2]:
            await self.connect(role)
        await asyncio.sleep(self._settle)
        try:
            return [await self._take(step) for step in story.steps]
        finally:
            await self.tidy()

    async def connect(self, role: Role) -> None:
        """Connects a phone unless it is, and by the usual transport. Raises a Failure when it is not let in."""
        phone = self._phones.get(role)
        if phone is not None and phone.connected and phone.transport == self._manner.transport:
            return
        person = self._person(role)
        answer = await self._patiently_connect(role, person)
        if not answer.get("connected"):
            said = answer.get("refused") or "it closed the connection without an answer"
            raise Unauthorized(f"the {self.label} server did not let user {person.user} in: {said}")

    async def close(self) -> None:
        """Leaves no phone and no call behind. Never raises."""
        await self.tidy()
        for role in list(self._phones):
            await self._leave(role)
        await self._backend.close()

    async def ring(self) -> None:
        """The caller dials the receiver. The call is ended by `tidy`, whatever becomes of it."""
        await self._act(dial())

    async def say(self, who: Role, event: str, payload: tuple[Any, ...]) -> dict[str, Any] | None:
        """Emits an event in its turn and returns the ack, None when none came."""
        await self._pace.turn(self._person(who).user)
        never = self._unacked[event] >= _TRIES
        within = self._settle if never else self._manner.patience
        ack = await self._phones[who].say(event, tuple(self.names.fill(payload)), within=within)
        self._unacked[event] = self._unacked[event] + 1 if ack is None else 0
        return ack

    async def emit(self, who: Role, event: str, payload: tuple[Any, ...]) -> None:
        """Emits an event in its turn, without an ack."""
        await self._pace.turn(self._person(who).user)
        await self._phones[who].emit(event, tuple(self.names.fill(payload)))

    async def hear(self, who: Role, event: str, since: float, within: float) -> float | None:
        """Returns when an event came after a moment (`time.perf_counter`), None when it did not in time."""
        end = since + within
        while True:
            for at, name, _ in self._phones[who].heard:
                if name == event and at >= since:
                    return at
            if not await self._wait_for_news(end):
                return None

    async def _take(self, step: Step) -> Take:
        begun = time.perf_counter()
        before = {role: (phone, len(phone.heard)) for role, phone in self._phones.items()}
        answer, _ = await asyncio.gather(self._act(step), self._await_promised(step, before, begun))
        await asyncio.sleep(self._settle)
        return Take(
            None if answer is None else self.names.hide(answer),
            {role: heard for role in self._phones if (heard := self._heard_since(role, before))},
        )

    async def _act(self, step: Step) -> dict[str, Any] | None:
        if isinstance(step, Say):
            return await self._act_say(step)
        if isinstance(step, Arrive):
            return await self._arrive(step.who, step.transport or self._manner.transport, step.auth)
        if isinstance(step, Leave):
            await self._leave(step.who)
        elif isinstance(step, Ask):
            body = None if step.body is None else self.names.fill(step.body)
            return await self._backend.ask(self.names.path(step.path), body, with_secret=step.secret)
        return None

    async def _act_say(self, step: Say) -> dict[str, Any] | None:
        if step.event == "call:initiate":
            self._remember(step.who, step.payload)
        if step.acked:
            return await self.say(step.who, step.event, step.payload)
        await self.emit(step.who, step.event, step.payload)
        return None

    def _remember(self, caller: Role, payload: tuple[Any, ...]) -> None:
        call = payload[0].get("callId") if payload and isinstance(payload[0], Mapping) else None
        if isinstance(call, str):
            self._dialled.append((caller, call))

    async def _patiently_connect(self, role: Role, person: Person) -> dict[str, Any]:
        """Connects, and gives a server that was there before a while to come back."""
        end = time.perf_counter() + _BACK
        while True:
            try:
                return await self._arrive(role, self._manner.transport)
            except Unreachable as error:
                if not self._known or time.perf_counter() > end:
                    raise Unreachable(f"user {person.user} {error}") from None
                await asyncio.sleep(0.25)

    async def _arrive(self, role: Role, transport: Transport, auth: Any = None) -> dict[str, Any]:
        await self._leave(role)
        person = self._person(role)
        await self._pace.turn(person.user)
        self._phones[role] = phone = Phone(self._news)
        usual = {"token": person.token, "userId": person.user, "platform": "cli"}
        return await phone.connect(self._url, usual if auth is None else self.names.fill(auth), transport)

    async def _leave(self, role: Role) -> None:
        phone = self._phones.pop(role, None)
        if phone is not None:
            await phone.leave()

    async def tidy(self) -> None:
        """Ends the calls of a story. A call that nobody knows is ended just as well."""
        for role, call in self._dialled:
            if role in self._phones:
                await self.say(role, "call:end", ({"callId": call},))
        self._dialled.clear()
        for role in (Role.SECOND, Role.VISITOR):
            await self._leave(role)

    async def _await_promised(self, step: Step, before: dict[Role, tuple[Phone, int]], begun: float) -> None:
        """Waits until all promised events came, or the first did and the patience for the rest is over."""
        patience = self._manner.patience
        within = self._within(step)
        end = begun + max(within, patience)
        while not all(self._came(role, wanted, before) for role, wanted in step.hears.items()):
            if all(self._heard_since(role, before) for role in step.hears):
                end = min(end, max(begun, self._latest(step)) + patience)
            if not await self._wait_for_news(end):
                return
        if within and not step.hears:
            await asyncio.sleep(end - time.perf_counter())

    def _within(self, step: Step) -> float:
        return self._manner.ring + _MORE if isinstance(step, Wait) and step.ring else step.within or 0.0

    async def _wait_for_news(self, end: float) -> bool:
        """Waits for the next thing to arrive at any phone; False when the end came first."""
        self._news.clear()
        try:
            async with asyncio.timeout(max(0.0, end - time.perf_counter())):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _latest(self, step: Step) -> float:
        return max(phone.heard[-1][0] for role in step.hears if (phone := self._phones[role]).heard)

    def _came(self, role: Role, wanted: tuple[str, ...], before: dict[Role, tuple[Phone, int]]) -> bool:
        phone = self._phones.get(role)
        if phone is not None and phone.dropped:
            return True  # nothing more will
        return not Counter(wanted) - Counter(heard.event for heard in self._heard_since(role, before))

    def _heard_since(self, role: Role, before: dict[Role, tuple[Phone, int]]) -> list[Heard]:
        """Returns what a phone heard in this step that is part of the story."""
        phone = self._phones.get(role)
        if phone is None or role not in self._listening:
            return []
        earlier, count = before.get(role, (None, 0))
        fresh = phone.heard[count if earlier is phone else 0 :]
        return [self._hidden(event, payload) for _, event, payload in fresh if self._is_of_story(role, event, payload)]

    def _hidden(self, event: str, payload: Any) -> Heard:
        fields = payload if isinstance(payload, dict) else {"payload": payload} if payload is not None else {}
        return Heard(event, self.names.hide(fields))

    def _is_of_story(self, role: Role, event: str, payload: Any) -> bool:
        fields = payload if isinstance(payload, dict) else {}
        if event in _PRESENCE:
            return self._presence and role is Role.CALLER and self.names.is_receiver(fields.get("userId"))
        return "callId" not in fields or self.names.is_of_story(fields["callId"])

    def _person(self, role: Role) -> Person:
        person = self._people.playing(role)
        assert person is not None, f"nobody plays the {role}"
        return person
