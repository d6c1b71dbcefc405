"""Phones at the switchboard: the real switchboard, memory store and sockets, with a clock that is set by hand.

An `Exchange` is one server without its edges. A `Phone` is one socket of one device: it says what a client says,
and keeps everything it hears in order, acks included. Every packet is decoded from its bytes and held to the
contract as it comes: its required fields and their types, no null anywhere, no second `call:incoming` for one call,
no ring after a stop.
"""

import itertools
import json
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from onlycare_socket.adapters.memory import MemoryCallLog, MemoryCallStore
from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.commands import (
    BackendAccepted,
    BackendCancelled,
    BackendCommand,
    BackendEnded,
    BackendRejected,
    OperatorEnded,
)
from onlycare_socket.calls.effects import Report
from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId, canonical_call, canonical_user
from onlycare_socket.calls.messages import Reply
from onlycare_socket.calls.parts import deadlines_of
from onlycare_socket.calls.terms import Terms
from onlycare_socket.calls.user_commands import (
    Accept,
    AnswerVideo,
    AskVideo,
    Cancel,
    Decline,
    Dial,
    HangUp,
    Show,
    UserCommand,
)
from onlycare_socket.ports import Identity
from onlycare_socket.sockets import Connection, NodeSockets
from onlycare_socket.switchboard import Switchboard
from onlycare_socket.wire.socketio import ack_packet

from .interop.contract import check_ack, check_event

START: Final = Millis(1_790_000_000_000)
"""Where the wall clock of a test begins, in ms."""
ID: Final = "CALL_17"
"""The call of most tests. Not of the dated form, so it says nothing about time."""
SWEEP: Final = 0.25
"""Seconds between two sweeps, as in the server."""


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self._wall = float(START)
        self._monotonic = 1_000.0

    def wall(self) -> Millis:
        return Millis(round(self._wall))

    def monotonic(self) -> float:
        return self._monotonic

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        self._wall += seconds * 1000
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Sets the wall clock, as an administrator or NTP does; no time passes."""
        self._wall += seconds * 1000


class RecordingPush:
    """Somebody who pushes; keeps what it was asked for. `can_wake` may be turned off."""

    def __init__(self) -> None:
        self.can_wake = True
        self.woken: list[tuple[CallId, DeviceId | None]] = []
        self.cancelled: list[CallId] = []

    def wake(self, call: Call, device: DeviceId | None) -> None:
        self.woken.append((call.id, device))

    def cancel(self, call: Call) -> None:
        self.cancelled.append(call.id)


class RecordingBackend:
    """Keeps what the backend would be told."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def report(self, report: Report) -> None:
        self.reports.append(report)


class Heard(Struct, frozen=True):
    """One packet that reached a phone: an event, or with the name `ack` the answer to what it said."""

    name: str
    payload: dict[str, Any]

    def __str__(self) -> str:
        code = self.payload.get("code") if self.name != "ack" else None
        return f"{self.name}/{code}" if code else self.name


class Wire:
    """The Engine.IO session of a phone. Its pings wait in `probes` until the test lets them be answered or not."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.packets_in = 0
        self.last_packet = 0.0
        self.probes: list[Callable[[bool], None]] = []
        self.speak()

    def speak(self) -> None:
        """Any packet from the client."""
        self.packets_in += 1
        self.last_packet = self._clock.monotonic()

    def probe(self, timeout: float, done: Callable[[bool], None]) -> None:
        self.probes.append(done)


class Phone:
    """One connected socket of one device of one user."""

    def __init__(self, exchange: "Exchange", user: str, device: str, name: str) -> None:
        self._exchange = exchange
        self._fresh = 0
        self._stopped: set[CallId] = set()
        self._rung: set[CallId] = set()
        self.id = f"{name}:{next(exchange.numbers)}"
        self.name = name
        self.shown = user
        self.heard: list[Heard] = []
        self.session = Wire(exchange.clock)
        self.connection = Connection(
            Identity(user=canonical_user(user), id=user, name=f"Name of {user}"),
            DeviceId(f"d:{device}"),
            self,
            exchange.clock.monotonic(),
        )
        self.online = False

    @property
    def user(self) -> UserId:
        return self.connection.user

    @property
    def device(self) -> DeviceId:
        return self.connection.device

    # ------------------------------------------------------------ the socket

    def send(self, packet: bytes) -> None:
        """Hears an event: checks it against the contract and keeps it."""
        assert self.online, f"{self.name} is gone and was sent {packet!r}"
        assert packet[:2] == b"42", packet
        name, *args = json.loads(packet[2:])
        self._keep(name, check_event(name, args))

    def close(self, reason: str = "") -> None:
        """The server closes the transport."""
        self.leave()

    def _keep(self, name: str, payload: dict[str, Any]) -> None:
        if name == "call:incoming":
            call = canonical_call(payload["callId"])
            assert call not in self._rung, f"{self.name} rang twice for {call}"
            stopped = call in self._stopped and call not in self._exchange.spoken_of
            assert not stopped, f"{self.name} rang after it was stopped for {call}"
            self._rung.add(call)
        elif name in ("call:cancelled", "call:ended"):
            self._stopped.add(canonical_call(payload["callId"]))
        self.heard.append(Heard(name, payload))

    def new(self) -> list[str]:
        """What was heard since the last time, as `name` or `name/code`."""
        return [str(heard) for heard in self.news()]

    def news(self) -> list[Heard]:
        """What was heard since the last time."""
        begin, self._fresh = self._fresh, len(self.heard)
        return self.heard[begin:]

    def forget(self) -> None:
        """Forgets everything that was heard."""
        self.heard.clear()
        self._fresh = 0
        self._rung.clear()
        self._stopped.clear()

    def speak(self) -> None:
        """Sends some packet, a pong say: everything told before counts as told."""
        self.session.speak()

    def leave(self) -> None:
        """Closes the socket."""
        if self.online:
            self.online = False
            self._exchange.sockets.remove(self.connection)
            self._exchange.switchboard.left(self.connection)

    # ------------------------------------------------------------ what a client says

    def dial(
        self,
        receiver: str,
        call_id: str = ID,
        *,
        call_type: str = "audio",
        sent: int | None = None,
        over_budget: bool = False,
    ) -> dict[str, Any]:
        """Says `call:initiate`; returns the ack."""
        exchange = self._exchange
        age = exchange.clock.monotonic() - self.connection.since
        return self._say(
            "call:initiate",
            Dial(
                **self._sender(call_id),
                socket=self.id,
                here=self._here(),
                name=self.connection.identity.name,
                receiver=canonical_user(receiver),
                receiver_shown=exchange.sockets.shown(canonical_user(receiver)) or receiver,
                call_type=call_type,
                channel_name=f"channel-{call_id}",
                agora_token="agora",
                sent=sent,
                since_connect=round(age * 1000),
                over_budget=over_budget,
            ),
        )

    def accept(self, call_id: str = ID) -> dict[str, Any]:
        return self._say("call:accept", Accept(**self._sender(call_id)))

    def reject(self, call_id: str = ID, reason: str = "") -> dict[str, Any]:
        return self._say("call:reject", Decline(**self._sender(call_id), reason=reason))

    def cancel(self, call_id: str = ID, reason: str = "") -> dict[str, Any]:
        return self._say("call:cancel", Cancel(**self._sender(call_id), reason=reason))

    def end(self, call_id: str = ID) -> dict[str, Any]:
        return self._say("call:end", HangUp(**self._sender(call_id), here=self._here()))

    def ringing(self, call_id: str = ID) -> dict[str, Any]:
        return self._say("call:ringing", Show(**self._sender(call_id)))

    def upgrade(self, call_id: str = ID) -> dict[str, Any]:
        return self._say("call:upgrade", AskVideo(**self._sender(call_id)))

    def answer_upgrade(self, accepted: bool, call_id: str = ID, reason: str = "") -> dict[str, Any]:
        command = AnswerVideo(**self._sender(call_id), accepted=accepted, reason=reason)
        return self._say("call:upgrade:response", command)

    def _sender(self, call_id: str) -> dict[str, Any]:
        return {"user": self.user, "device": self.device, "call_id": call_id, "shown": self.shown}

    def _here(self) -> tuple[DeviceId, ...]:
        return self._exchange.sockets.devices(self.user)

    def _say(self, event: str, command: UserCommand) -> dict[str, Any]:
        self.session.speak()
        acks: list[dict[str, Any]] = []

        def answer(reply: Reply) -> None:
            assert not acks, f"{event} of {self.name} was acked twice"
            ack = check_ack(event, json.loads(ack_packet(1, reply)[3:]))
            acks.append(ack)
            self.heard.append(Heard("ack", ack))

        self._exchange.switchboard.command(command, answer)
        if self._exchange.answers_later:
            return {}
        assert acks, f"{event} of {self.name} was not acked"
        return acks[0]


class Exchange:
    """One server without its edges: switchboard, store and sockets, a push and a backend that keep what they get."""

    def __init__(self, terms: Terms | None = None, *, ended_calls: int = 20_000) -> None:
        self.numbers = itertools.count(1)
        self.spoken_of: set[CallId] = set()
        self.answers_later = False
        self.clock = HandClock()
        self.terms = terms or Terms()
        self.store = MemoryCallStore(self.clock, ended_calls)
        self.log = MemoryCallLog(self.store)
        self.sockets = NodeSockets(self.clock)
        self.push = RecordingPush()
        self.backend = RecordingBackend()
        self.switchboard = Switchboard(
            store=self.store,
            log=self.log,
            sockets=self.sockets,
            directory=self.sockets,
            bus=self.sockets,
            push=self.push,
            backend=self.backend,
            terms=self.terms,
            clock=self.clock,
        )

    def phone(self, user: str, device: str = "1", name: str = "") -> Phone:
        """Connects a socket of a device."""
        phone = Phone(self, user, device, name or f"{user}/{device}")
        self.sockets.add(phone.connection)
        phone.online = True
        self.switchboard.arrived(phone.connection)
        return phone

    def wait(self, seconds: float, sweep: float = SWEEP) -> None:
        """Lets time pass, sweeping as the server does."""
        while seconds > 0:
            self.clock.run(min(sweep, seconds))
            self.switchboard.sweep()
            seconds -= sweep

    # ------------------------------------------------------------ the backend and the operator

    def accepted(self, caller: str, receiver: str, call_id: str = ID, device: str = "") -> tuple[dict[str, Any], bool]:
        """Says `/api/emit/call-accepted`; returns the answer and whether somebody was told."""
        named = DeviceId(f"d:{device}") if device else None
        return self.word(BackendAccepted(call_id=call_id, device=named, **self._parties(caller, receiver)))

    def cancelled(
        self, receiver: str, caller: str | None = None, call_id: str = ID, reason: str = ""
    ) -> tuple[dict[str, Any], bool]:
        return self.word(BackendCancelled(call_id=call_id, reason=reason, **self._parties(caller, receiver)))

    def rejected(self, caller: str, receiver: str, call_id: str = ID, reason: str = "") -> tuple[dict[str, Any], bool]:
        return self.word(BackendRejected(call_id=call_id, reason=reason, **self._parties(caller, receiver)))

    def ended(
        self, caller: str, receiver: str, call_id: str = ID, by: str | None = None
    ) -> tuple[dict[str, Any], bool]:
        ended_by = canonical_user(by) if by else None
        return self.word(BackendEnded(call_id=call_id, ended_by=ended_by, **self._parties(caller, receiver)))

    def terminate(self, call_id: str = ID) -> tuple[dict[str, Any], bool]:
        """Says `POST /api/calls/{id}/end`."""
        return self.word(OperatorEnded(call_id=call_id))

    def word(self, command: BackendCommand | OperatorEnded) -> tuple[dict[str, Any], bool]:
        answers: list[tuple[dict[str, Any], bool]] = []
        if self.find(command.call_id) is None:
            self.spoken_of.add(canonical_call(command.call_id))

        def answer(reply: Reply, emitted: bool) -> None:
            answers.append((check_ack("word", json.loads(ack_packet(1, reply)[3:])), emitted))

        self.switchboard.word(command, answer)
        assert len(answers) == 1
        return answers[0]

    def _parties(self, caller: str | None, receiver: str | None) -> dict[str, Any]:
        parties: dict[str, Any] = {}
        for role, user in (("caller", caller), ("receiver", receiver)):
            if user is not None:
                parties[role] = canonical_user(user)
                parties[f"{role}_shown"] = user
        return parties

    # ------------------------------------------------------------ looking

    def call(self, call_id: str = ID) -> Call:
        """The call as it is kept now."""
        call = self.find(call_id)
        assert call is not None, f"{call_id} is not kept"
        return call

    def find(self, call_id: str = ID) -> Call | None:
        found: list[Call | None] = []
        self.store.find(canonical_call(call_id), found.append)
        return found[0]

    def timers(self, call_id: str = ID) -> dict[str, float]:
        """The deadlines that run, in seconds from now."""
        now = self.clock.wall()
        return {kind.value: (at - now) / 1000 for kind, at in deadlines_of(self.call(call_id))}

    def legs(self, user: str, call_id: str = ID) -> dict[str, str]:
        """What each device of a user did or had done to it, by device name."""
        mine = canonical_user(user)
        return {leg.device.removeprefix("d:"): leg.state.value for leg in self.call(call_id).legs if leg.user == mine}

    def reports(self) -> list[str]:
        """What the backend would be told since the last time."""
        reports, self.backend.reports = self.backend.reports, []
        return [report.kind.value for report in reports]

    def steps(self, call_id: str = ID) -> tuple[Step, ...]:
        """The timeline of a call."""
        found: list[tuple[Step, ...]] = []
        self.log.timeline(canonical_call(call_id), found.append)
        return found[0]

    def live(self) -> list[Call]:
        """The live calls."""
        found: list[tuple[Call, ...]] = []
        self.log.recent(1_000_000, found.append)
        return [call for call in found[0] if call.live]
