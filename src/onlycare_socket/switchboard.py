"""Carries out what the rules decide: runs a command through the store, then its effects, in their order.

It holds no rules. It knows the ports, turns effects into packets, and lets what it did come back as notices: who was
told, who was silent, who came and who left.

Save, then look: the devices to ring are looked up after the call is saved; a device that connects is registered
first, and then the calls of its user are read. One of the two always sees the other, and ringing once per
connection and call removes the double.
"""

from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from onlycare_socket.calls.audit import Finding
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.commands import (
    Arrived,
    BackendCommand,
    CallerGraceExpired,
    CallGraceExpired,
    Command,
    DeadlineCommand,
    Left,
    MaxDurationReached,
    Missed,
    OperatorEnded,
    Repair,
    RingExpired,
    Unheard,
    UpgradeExpired,
)
from onlycare_socket.calls.decision import Decision, View
from onlycare_socket.calls.effects import Ack, AckOfDial, Effect, Report, Ring, Tell, Unpush, Wake
from onlycare_socket.calls.errors import CallError, Internal, Unavailable
from onlycare_socket.calls.ids import CallId, DeviceId, Millis, UserId, bare_call
from onlycare_socket.calls.messages import Event, Incoming, Reply
from onlycare_socket.calls.parts import written_for
from onlycare_socket.calls.records import UNSET, replace
from onlycare_socket.calls.rules import decide
from onlycare_socket.calls.states import DeadlineKind
from onlycare_socket.calls.telling import NOBODY_PUSHES, STOP, Observed, Told
from onlycare_socket.calls.terms import Terms
from onlycare_socket.calls.user_commands import Dial, UserCommand
from onlycare_socket.clock import Clock
from onlycare_socket.delivery import Delivery
from onlycare_socket.ports import Backend, Bus, CallLog, CallStore, Directory, Push, StoreUnavailable
from onlycare_socket.sockets import Connection, NodeSockets
from onlycare_socket.wire.socketio import event_packet

log = structlog.get_logger("switchboard")

PONG_WAIT = 1.5
"""Seconds that a phone has to show that it is there after it was rung (design section 3)."""
FRESH: Final = 2.0
"""Seconds: a packet this young shows that the phone is there."""
SWEEP_LIMIT = 1_000
RESUME_LIMIT = 20
LATELY_ENDED = 1_000
"""Ended calls that the auditor looks at: the newest so many."""

Answer = Callable[[Reply], None]
WordAnswer = Callable[[Reply, bool], None]


class Switchboard:
    """Takes commands, words of the backend, comings and goings; answers and tells everybody concerned."""

    def __init__(
        self,
        *,
        store: CallStore,
        log: CallLog,
        sockets: NodeSockets,
        directory: Directory,
        bus: Bus,
        push: Push,
        backend: Backend,
        terms: Terms,
        clock: Clock,
        agora_app_id: str | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._sockets = sockets
        self._directory = directory
        self._bus = bus
        self._push = push
        self._backend = backend
        self._terms = terms
        self._clock = clock
        self._agora_app_id = agora_app_id
        self.counts: Counter[str] = Counter()
        self.lately_ended: deque[CallId] = deque(maxlen=LATELY_ENDED)
        sockets.delivered = self._delivered

    # ------------------------------------------------------------ commands

    def command(self, command: UserCommand, answer: Answer) -> None:
        """Takes a command of a user; `answer` is called once, before the events that the command causes."""
        call = bare_call(command.call_id)
        self._store.transact(
            call,
            (command.user, command.receiver) if type(command) is Dial else (),
            partial(self._decide, call, command),
            partial(self._decided, command.call_id, answer),
        )

    def word(self, command: BackendCommand | OperatorEnded, answer: WordAnswer) -> None:
        """Takes a word of the backend or the operator; `answer` says last whether a live socket was told."""
        call = bare_call(command.call_id)
        users: tuple[UserId, ...] = ()
        if isinstance(command, BackendCommand):
            users = tuple(user for user in (command.caller, command.receiver) if user is not None)

        def decided(decision: Decision | StoreUnavailable) -> None:
            replies: list[Reply] = []
            emitted = self._decided(command.call_id, replies.append, decision)
            answer(replies[0], emitted)

        self._store.transact(call, users, partial(self._decide, call, command), decided)

    def _decide(self, call: CallId | None, command: Command, view: View) -> Decision:
        """Runs the rules. A fault in them changes nothing, and the sender learns that it was ours."""
        try:
            return decide(self._terms, call, command, view)
        except Exception:
            log.exception("decision failed", call=call, command=type(command).__name__)
            return Decision(effects=(Ack(_refusal(Internal, getattr(command, "call_id", ""))),))

    def _decided(self, written: str, answer: Answer, decision: Decision | StoreUnavailable) -> bool:
        """Carries out a decision; True if it reached a live socket that counts."""
        if isinstance(decision, StoreUnavailable):
            self.counts["store_unavailable"] += 1
            answer(_refusal(Unavailable, written))
            return False
        self._count(decision)
        emitted = False
        for effect in decision.effects:
            if isinstance(effect, Ack):
                answer(self._reply(effect))
            elif self._carry_out(effect):
                emitted = True
        return emitted

    def _notice(self, call: CallId | None, users: tuple[UserId, ...], command: Command) -> None:
        """Runs what the server itself noticed; nobody waits for an answer."""
        self._store.transact(call, users, partial(self._decide, call, command), self._noticed)

    def _noticed(self, decision: Decision | StoreUnavailable) -> None:
        if isinstance(decision, StoreUnavailable):
            self.counts["store_unavailable"] += 1
            return
        self._count(decision)
        for effect in decision.effects:
            if not isinstance(effect, Ack):
                self._carry_out(effect)

    def _count(self, decision: Decision) -> None:
        for id_, step in decision.steps:
            if step.what == "ended":
                self.counts["ended:" + step.detail] += 1
                self.lately_ended.append(id_)

    # ------------------------------------------------------------ effects

    def _reply(self, ack: Ack) -> Reply:
        if isinstance(ack, AckOfDial) and not self._directory.devices(ack.receiver):
            return ack.offline()
        return ack.reply

    def _carry_out(self, effect: Effect) -> bool:
        """Performs one effect; True if it reached a live socket that counts.

        A fault in it takes none of those behind it along: a phone must ring all the same.
        """
        try:
            if isinstance(effect, Tell):
                return self._tell(effect)
            if isinstance(effect, Report):
                self._backend.report(effect)
            elif isinstance(effect, Unpush):
                self._push.cancel(effect.call)
            elif isinstance(effect, Ring):
                self._ring(effect)
            elif isinstance(effect, Wake):
                self.counts["silent_phones"] += 1
                self._wake(effect.call, effect.device)
        except Exception:
            self.counts["effects_failed"] += 1
            log.exception("effect failed", effect=type(effect).__name__)
        return False

    def _tell(self, tell: Tell) -> bool:
        devices = self._audience(tell)
        if not devices:
            return False
        same, events = devices, tell.events()
        for device, form in tell.forms:
            if device in same:
                same = tuple([each for each in same if each != device])
                self._say(tell, (device,), tuple([replace(event, call_id=form) for event in events]))
        if same:
            self._say(tell, same, events)
        return tell.counts and (tell.ringing is None or not tell.ringing.isdisjoint(devices))

    def _say(self, tell: Tell, devices: tuple[DeviceId, ...], events: tuple[Event, ...]) -> None:
        self._bus.send(
            Delivery(
                tell.user,
                devices,
                tell.call,
                events[-1].name,
                tuple([event_packet(event.name, event) for event in events]),
                tell.ringing,
                tell.socket,
            )
        )

    def _audience(self, tell: Tell) -> tuple[DeviceId, ...]:
        here, device, but = self._directory.devices(tell.user), tell.device, tell.but
        if device is not None and (device in here or not tell.else_all):
            here = (device,) if device in here else ()
        if but:
            here = tuple([each for each in here if each not in but])
        return here

    def _ring(self, ring: Ring) -> None:
        call, caller, receiver = ring.call, ring.call.caller, ring.call.receiver.user
        here = self._directory.devices(receiver)
        devices = here if ring.device is None else (ring.device,)
        if not devices:
            self.counts["rung_by_push"] += 1
            self._wake(call, None)
            return
        event = Incoming(
            call_id=written_for(call, receiver, ring.device),
            caller_id=caller.shown,
            caller_name=caller.name,
            call_type=call.call_type,
            channel_name=call.channel_name,
            agora_token=call.agora_token,
            timestamp=call.created,
            expires_at=call.ring_at or call.created,
            agora_app_id=self._agora_app_id or UNSET,
            resumed=True if ring.resumed else UNSET,
        )
        packet = event_packet(event.name, event)
        self._bus.send(Delivery(receiver, devices, call.id, event.name, (packet,)))

    def _wake(self, call: Call, device: DeviceId | None) -> None:
        self._push.wake(call, device)
        why = "asked for: no phone is connected" if device is None else "asked for: this phone is silent"
        detail = why if self._push.can_wake else NOBODY_PUSHES
        self._store.note(call.id, Observed(call.receiver.user, "push", device, detail, "server"))

    # ------------------------------------------------------------ what became of a delivery

    def _delivered(self, delivery: Delivery, connections: list[Connection]) -> None:
        if delivery.what == Incoming.name:
            self.counts["rung_by_socket"] += len(connections)
            for connection in connections:
                self._see_if_there(delivery.call, connection)
        devices = tuple([connection.device for connection in connections])
        shown = delivery.what if len(delivery.packets) == 1 else STOP
        self._store.note(delivery.call, Told(delivery.user, devices, delivery.what, shown))

    def _see_if_there(self, call: CallId, connection: Connection) -> None:
        session = connection.socket.session
        if self._clock.monotonic() - session.last_packet > FRESH:
            session.probe(PONG_WAIT, partial(self._probed, call, connection))

    def _probed(self, call: CallId, connection: Connection, alive: bool) -> None:
        """A phone that came back on another socket meanwhile is asked there."""
        newest = next(iter(self._sockets.of_device(connection.user, connection.device)), connection)
        if alive:
            self._store.note(call, Observed(connection.user, "there", connection.device, "it answered the ping"))
        elif newest is connection:
            self._notice(call, (), Missed(user=connection.user, device=connection.device))

    # ------------------------------------------------------------ coming and going

    def arrived(self, connection: Connection) -> None:
        """Tells a device what it missed; to be called once its connection is among the sockets."""
        for other in self._sockets.of_device(connection.user, connection.device):
            if other is not connection:
                self._unheard(other)
        oldest = Millis(self._clock.wall() - self._terms.resume)
        self._log.of_user(connection.user, RESUME_LIMIT, partial(self._resume, connection), oldest)

    def _resume(self, connection: Connection, calls: tuple[Call, ...]) -> None:
        """Once the calls are read, the connection may be gone again: then its user has left, and not arrived."""
        if connection not in self._sockets.connections(connection.user):
            return
        for call in reversed(calls):
            self._notice(call.id, (), self._arrival(connection))

    def _arrival(self, connection: Connection) -> Arrived:
        return Arrived(user=connection.user, device=connection.device, shown=connection.identity.id)

    def left(self, connection: Connection) -> None:
        """Notes what a closed connection never confirmed; to be called once it is gone from the sockets."""
        self._unheard(connection)
        user = connection.user
        next_newest = next(iter(self._sockets.of_device(user, connection.device)), None)
        if next_newest is not None:
            if next_newest.number < connection.number:
                self.arrived(next_newest)
        elif not self._directory.online(user):
            self._notice(None, (user,), Left(user=user))

    def _unheard(self, connection: Connection) -> None:
        for call, what in connection.unheard():
            self._notice(call, (), Unheard(user=connection.user, device=connection.device, what=what))

    # ------------------------------------------------------------ deadlines

    def sweep(self) -> None:
        """Fires the deadlines that have passed; to be called a few times a second."""
        self._store.due(SWEEP_LIMIT, self._fire)

    def _fire(self, call: CallId, kind: DeadlineKind) -> None:
        self._store.find(call, partial(self._fire_found, kind))

    def _fire_found(self, kind: DeadlineKind, call: Call | None) -> None:
        if call is not None:
            self._notice(call.id, (), self._expiry(kind, call))

    def _expiry(self, kind: DeadlineKind, call: Call) -> DeadlineCommand:
        """Returns the command of a deadline with the facts of now."""
        online = self._directory.online
        if kind is DeadlineKind.RING:
            return RingExpired(can_push=self._push.can_wake)
        if kind is DeadlineKind.CALLER_GRACE:
            return CallerGraceExpired(here=online(call.caller.user))
        if kind is DeadlineKind.CALL_GRACE:
            return CallGraceExpired(here=online(call.caller.user) or online(call.receiver.user))
        return MaxDurationReached() if kind is DeadlineKind.MAX_DURATION else UpgradeExpired()

    def repair(self, finding: Finding) -> None:
        """Has a call put right that the auditor found; of two calls the one that goes on, too."""
        self._notice(finding.call, (), Repair(flaw=finding.flaw, other=finding.other))
        if finding.other is not None:
            self._notice(finding.other, (), Repair(flaw=finding.flaw, goes_on=True))


def _refusal(why: type[CallError], call_id: str) -> Reply:
    return Reply(success=False, error=why.sentence, code=why.code, call_id=call_id or UNSET)
