"""The switchboard against everything at once: many users and devices, commands in any order, time, the backend.

A state machine plays at random and checks after every step what must always hold. What a phone hears is checked as it
comes (see `tests.phones`): required fields and types, no null, no ring twice on a connection, no ring after a stop.
"""

import itertools
import json
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from onlycare_socket.calls.audit import Audit
from onlycare_socket.calls.call import Call
from onlycare_socket.calls.ids import CallId, canonical_user
from onlycare_socket.calls.parts import deadlines_of, leg_of, party_of, role_of
from onlycare_socket.calls.states import RINGING_LEGS, Role, State
from tests.phones import Exchange, Heard, Phone

USERS = ("USR_1", "USR_2", "USR_3", "USR_4")
DEVICES = ("phone", "tablet")
CALL_IDS = tuple(f"CALL_{number}" for number in range(6))
FORMS = st.sampled_from([*CALL_IDS, *(call_id.removeprefix("CALL_") for call_id in CALL_IDS)])
COMMANDS = st.sampled_from(["accept", "reject", "cancel", "end", "ringing", "upgrade", "yes", "no"])
STOPS = {"call:cancelled", "call:ended"}
TERMINAL = {"call:rejected", "call:timeout", "call:busy", "call:ended"}
AT_ONCE_ONLY = {"call:rejected", "call:timeout", "call:busy"}


class Calls(RuleBasedStateMachine):
    """Users with up to several sockets each, and calls between them."""

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange()
        self.phones: list[Phone] = []
        self.before: dict[CallId, Call] = {}
        self.rings_on: dict[str, set[CallId]] = defaultdict(set)
        self.numbers = itertools.count(1)
        self.remembered: set[str] = set()
        self.silent: set[str] = set()
        self.jumped = False

    @initialize()
    def some_are_there(self) -> None:
        for user in USERS[:3]:
            self._connect(user, DEVICES[0])
        self._connect(USERS[1], DEVICES[1])

    # ------------------------------------------------------------ coming and going

    def _connect(self, user: str, device: str) -> None:
        self.phones.append(self.exchange.phone(user, device, f"{user}/{device}"))

    def _some(self, number: int) -> Phone:
        return self.phones[number % len(self.phones)]

    def _other(self, phone: Phone, number: int) -> Phone:
        """A phone of another user, if anybody else is there."""
        others = [each for each in self.phones if each.user != phone.user] or [phone]
        return others[number % len(others)]

    @rule(user=st.sampled_from(USERS), device=st.sampled_from(DEVICES))
    @precondition(lambda self: len(self.phones) < 10)
    def connect(self, user: str, device: str) -> None:
        self._connect(user, device)

    @rule(number=st.integers(0, 99))
    @precondition(lambda self: 0 < len(self.phones) < 10)
    def connect_the_same_device_again(self, number: int) -> None:
        phone = self._some(number)
        self._connect(phone.shown, phone.device.removeprefix("d:"))

    @rule(number=st.integers(0, 99))
    @precondition(lambda self: len(self.phones) > 1)
    def disconnect(self, number: int) -> None:
        self._drop(self._some(number))

    def _drop(self, phone: Phone) -> None:
        phone.leave()
        self._settle(phone)
        self.phones.remove(phone)

    @rule(number=st.integers(0, 99))
    def loses_its_network(self, number: int) -> None:
        self.silent.add(self._some(number).id)

    @rule(number=st.integers(0, 99))
    def any_packet(self, number: int) -> None:
        if self.phones:
            self._some(number).speak()

    @rule(number=st.integers(0, 99), alive=st.booleans())
    def pong(self, number: int, alive: bool) -> None:
        probes = self._some(number).session.probes
        if probes:
            probes.pop(0)(alive)

    # ------------------------------------------------------------ commands

    @rule(number=st.integers(0, 99), receiver=st.sampled_from(USERS), call_id=FORMS, over=st.booleans())
    def dial(self, number: int, receiver: str, call_id: str, over: bool) -> None:
        self._dial(self._some(number), receiver, call_id, over_budget=over and number % 5 == 0)

    @rule(caller=st.integers(0, 99), receiver=st.integers(0, 99))
    def ring_somebody(self, caller: int, receiver: int) -> None:
        phone = self._some(caller)
        self._dial(phone, self._other(phone, receiver).shown, f"CALL_n{next(self.numbers)}")

    @rule(caller=st.integers(0, 99), receiver=st.integers(0, 99), winner=st.sampled_from(["open", "named"]))
    def talk(self, caller: int, receiver: int, winner: str) -> None:
        phone, call_id = self._some(caller), f"CALL_n{next(self.numbers)}"
        other = self._other(phone, receiver)
        self._dial(phone, other.shown, call_id)
        if winner == "named":
            self._command(other, "accept", call_id)
        else:
            self._say(call_id, phone.shown, other.shown, "accepted", "")

    def _dial(self, phone: Phone, receiver: str, call_id: str, *, over_budget: bool = False) -> None:
        before, heard = self.exchange.find(call_id), len(phone.heard)
        ack = phone.dial(receiver, call_id, over_budget=over_budget)
        self._ack_first(phone, heard, ack, call_id)
        if before is not None and phone.user not in (before.caller.user, before.receiver.user):
            assert "state" not in ack, "a foreign call shows nothing"
            assert self.exchange.find(call_id) == before

    @rule(number=st.integers(0, 99), command=COMMANDS, call_id=FORMS)
    def command(self, number: int, command: str, call_id: str) -> None:
        self._command(self._some(number), command, call_id)

    @rule(number=st.integers(0, 99), command=COMMANDS)
    def the_caller_says(self, number: int, command: str) -> None:
        self._party_says(Role.CALLER, number, command)

    @rule(number=st.integers(0, 99), command=COMMANDS)
    def the_receiver_says(self, number: int, command: str) -> None:
        self._party_says(Role.RECEIVER, number, command)

    @rule(number=st.integers(0, 99))
    def somebody_hangs_up(self, number: int) -> None:
        self._party_says(Role.CALLER if number % 2 else Role.RECEIVER, number, "end")

    @rule(number=st.integers(0, 99), command=COMMANDS)
    def somebody_says_it_too_late(self, number: int, command: str) -> None:
        over = [call for call in self.before.values() if not call.live]
        if over:
            self._command(self._some(number), command, over[number % len(over)].caller.call_id)

    def _party_says(self, role: Role, number: int, command: str) -> None:
        live = self.exchange.live()
        if live:
            call = live[number % len(live)]
            his = [each for each in self.phones if role_of(call, each.user) is role]
            if his:
                self._command(his[number % len(his)], command, party_of(call, role).call_id)

    def _command(self, phone: Phone, command: str, call_id: str) -> None:
        before, heard = self.exchange.find(call_id), len(phone.heard)
        if command in ("yes", "no"):
            ack = phone.answer_upgrade(command == "yes", call_id)
        else:
            ack = getattr(phone, command)(call_id)
        self._ack_first(phone, heard, ack, call_id)
        if before is None or role_of(before, phone.user) is None:
            assert ack == {
                "success": False,
                "error": "Call not found",
                "code": "not_found",
                "state": "unknown",
                "callId": call_id,
            }
            assert self.exchange.find(call_id) == before
        else:
            assert ack["state"] == self.exchange.call(call_id).state.value

    def _ack_first(self, phone: Phone, heard: int, ack: dict[str, Any], call_id: str) -> None:
        assert phone.heard[heard] == Heard("ack", ack), "the ack stands before the events it causes"
        assert sum(each.name == "ack" for each in phone.heard[heard:]) == 1
        assert ack["callId"] == call_id
        assert len({json.dumps(each.payload) for each in phone.heard[heard:] if each.name == "ack"}) == 1

    # ------------------------------------------------------------ the backend, the operator, time

    @rule(
        call_id=FORMS,
        caller=st.sampled_from(USERS),
        receiver=st.sampled_from(USERS),
        word=st.sampled_from(["accepted", "cancelled", "rejected", "ended"]),
        device=st.sampled_from(["", *DEVICES]),
    )
    def backend_says(self, call_id: str, caller: str, receiver: str, word: str, device: str) -> None:
        self._say(call_id, caller, receiver, word, device)

    @rule(
        number=st.integers(0, 99),
        word=st.sampled_from(["accepted", "cancelled", "rejected", "ended"]),
        device=st.sampled_from(["", *DEVICES]),
    )
    def backend_says_of_a_live_call(self, number: int, word: str, device: str) -> None:
        live = self.exchange.live()
        if live:
            call = live[number % len(live)]
            self._say(call.caller.call_id, call.caller.user, call.receiver.user, word, device)

    def _say(self, call_id: str, caller: str, receiver: str, word: str, device: str) -> None:
        exchange, before = self.exchange, self.exchange.find(call_id)
        heard = sum(len(phone.heard) for phone in self.phones)
        if word == "accepted":
            answer, emitted = exchange.accepted(caller, receiver, call_id, device)
        elif word == "cancelled":
            answer, emitted = exchange.cancelled(receiver, caller, call_id)
        elif word == "rejected":
            answer, emitted = exchange.rejected(caller, receiver, call_id)
        else:
            answer, emitted = exchange.ended(caller, receiver, call_id, by=caller)
        if before is None and word != "accepted" and answer["success"]:
            self.remembered.add(call_id.removeprefix("CALL_"))
        told = sum(len(phone.heard) for phone in self.phones) > heard
        assert told or not emitted, "emitted is only said of what was sent"
        parties = (canonical_user(caller), canonical_user(receiver))
        if before is not None and parties != (before.caller.user, before.receiver.user):
            assert answer["error"] == "Parties do not match"
            assert exchange.find(call_id) == before

    @rule(call_id=FORMS)
    def operator_ends(self, call_id: str) -> None:
        self.exchange.terminate(call_id)

    @rule(seconds=st.sampled_from([0.5, 2.5, 14.0, 31.0, 61.0, 121.0]))
    def time_passes(self, seconds: float) -> None:
        """Phones answer their heartbeats meanwhile; one that is silent is dropped by the transport after 45 s."""
        while seconds > 0:
            self.exchange.wait(min(seconds, 5.0), sweep=1.0)
            seconds -= 5.0
            for phone in list(self.phones):
                if phone.id not in self.silent:
                    phone.speak()
                elif self.exchange.clock.monotonic() - phone.session.last_packet >= 45 and len(self.phones) > 1:
                    self._drop(phone)

    @rule(seconds=st.sampled_from([-3_600, 3_600]))
    def the_wall_clock_jumps(self, seconds: int) -> None:
        """No deadline moves. But what "less than a minute ago" means, is read from the wall clock."""
        self.exchange.clock.jump(seconds)
        self.jumped = True

    # ------------------------------------------------------------ what always holds

    @invariant()
    def what_was_heard_is_right(self) -> None:
        for phone in self.phones:
            self._settle(phone)

    def _settle(self, phone: Phone) -> None:
        """Looks at what a phone newly heard."""
        for heard in phone.news():
            if heard.name == "ack":
                continue
            id_ = CallId(heard.payload["callId"].removeprefix("CALL_"))
            call = self.exchange.find(id_)
            if call is None:
                assert id_ in self.remembered, "only the backend speaks of calls that nobody dialled"
                continue
            role = role_of(call, phone.user)
            if id_ in self.remembered and role is None:
                continue
            assert role is not None, f"{phone.name} heard {heard} of a foreign call"
            self._check(phone, heard, call, role)

    def _check(self, phone: Phone, heard: Heard, call: Call, role: Role) -> None:
        name, payload = heard.name, heard.payload
        if name in ("call:incoming", "call:cancelled", "call:reject:confirmed"):
            assert role is Role.RECEIVER
        if name in ("call:accepted", "call:ringing", *AT_ONCE_ONLY):
            assert role is Role.CALLER
        if name == "call:incoming":
            self.rings_on[phone.id].add(call.id)
        if name in STOPS:
            self.rings_on[phone.id].discard(call.id)
        if name in TERMINAL and call.id not in self.remembered and payload.get("code") != "answered_elsewhere":
            assert call.state is State.ENDED
            if payload.get("code") != "declined_elsewhere":
                assert payload.get("code", "busy") == call.code or (name, call.code) == ("call:busy", "glare")

    @invariant()
    def a_phone_rings_only_for_a_call_that_may_still_be_answered(self) -> None:
        for phone in self.phones:
            newest = self.exchange.sockets.of_device(phone.user, phone.device)[0] is phone.connection
            for id_ in self.rings_on[phone.id]:
                call = self.exchange.find(id_)
                if newest and call is not None and not call.live and not self.jumped:
                    leg = leg_of(call, phone.user, phone.device)
                    assert leg is not None
                    # It answered or declined itself, or hung up: its own word stopped it.
                    assert leg.state.value in ("accepted", "declined") or leg.ended

    @invariant()
    def ended_is_final_and_the_same_for_everybody(self) -> None:
        for id_, old in self.before.items():
            call = self.exchange.find(id_)
            assert call is not None
            assert call.version >= old.version
            if not old.live:
                assert (call.state, call.code, call.ended, call.ended_by) == (
                    old.state,
                    old.code,
                    old.ended,
                    old.ended_by,
                )
            if old.live and not call.live:
                self._everybody_in_it_knows(call)
        self.before = {call.id: call for call in self._all()}
        for call in self.before.values():
            ends = [step.detail for step in self.exchange.steps(call.id) if step.what == "ended"]
            assert len(ends) == (0 if call.live else 1)

    def _everybody_in_it_knows(self, call: Call) -> None:
        """Of a call that ended in this step, every device that dialled or rang and has a socket has been told."""
        for leg in call.legs:
            out_before = call.receiver.device is not None and leg.device != call.receiver.device
            if leg.user == call.receiver.user and out_before:
                continue
            if leg.device in self.exchange.sockets.devices(leg.user):
                assert leg.ended, f"{leg} was not told that {call.id} ended {call.code}"

    @invariant()
    def a_live_call_has_a_deadline_and_an_ended_one_has_none(self) -> None:
        for call in self._all():
            kinds = {kind.value for kind, _ in deadlines_of(call)}
            if call.state is State.RINGING:
                assert "ring" in kinds
            elif call.state is State.ACCEPTED:
                assert "max_duration" in kinds
                assert kinds <= {"max_duration", "call_grace", "upgrade"}
            else:
                assert kinds == set()
                assert call.code is not None
                assert call.agora_token == ""

    @invariant()
    def ringing_legs_are_of_calls_that_may_ring(self) -> None:
        for call in self._all():
            ringing = [leg for leg in call.legs if leg.user == call.receiver.user and leg.state in RINGING_LEGS]
            if call.state is State.ENDED or call.receiver.device is not None:
                assert ringing == []
            winners = [leg for leg in call.legs if leg.state.value == "accepted"]
            assert len(winners) <= 1

    @invariant()
    def busy_is_exactly_a_live_call(self) -> None:
        live = self.exchange.live()
        assert len(live) == self.exchange.log.live_count()
        parties = [user for call in live for user in (call.caller.user, call.receiver.user)]
        assert len(parties) == len(set(parties)), "nobody is in two live calls"
        for user in map(canonical_user, USERS):
            mine = [call for call in live if role_of(call, user)]
            found: list[tuple[Call, ...]] = []
            self.exchange.log.of_user(user, 20, found.append)
            assert [call.id for call in found[0] if call.live] == [call.id for call in mine]

    @invariant()
    def every_live_call_has_somebody_or_a_grace(self) -> None:
        online = self.exchange.sockets.online
        for call in self.exchange.live():
            kinds = {kind.value for kind, _ in deadlines_of(call)}
            if call.state is State.RINGING and not online(call.caller.user):
                assert "caller_grace" in kinds
            if call.state is State.ACCEPTED and not (online(call.caller.user) or online(call.receiver.user)):
                assert "call_grace" in kinds

    @invariant()
    def the_auditor_finds_nothing(self) -> None:
        audit = Audit()
        assert [finding.flaw.value for call in self._all() for finding in audit.look(call)] == []

    def _all(self) -> list[Call]:
        found: list[tuple[Call, ...]] = []
        self.exchange.log.recent(1_000_000, found.append)
        return list(found[0])


Calls.TestCase.settings = settings(
    max_examples=400,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestCalls = Calls.TestCase
