"""Pairs that play their script, whatever spacing and order a server likes."""

import json

import pytest

from bench.load import cycles, rejects
from bench.load.loop import Loop
from bench.load.phone import Server
from bench.load.reports import Unexpected
from bench.load.talk import Pair, Party, Script, several
from tests.bench.test_load_frames import unframed


class Call:
    """A pair without sockets: what is said is kept, what is heard is told by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, caller: Script, callee: Script) -> None:
        self.said: list[str] = []
        self.ended: list[str] = []
        monkeypatch.setattr(Party, "send", lambda party, framed: self.said.append(unframed(framed)[1].decode()))
        (self.pair,) = several(1, Loop(), Server(1), caller, callee, self._over)
        self.pair.dial()
        self.call_id = self.pair.call_id.decode()

    def _over(self, pair: Pair) -> None:
        self.ended.append(pair.call_id.decode())

    def ack(self, party: Party, number: int, **answer: object) -> None:
        """Acks the emit of this number."""
        party.hear(f"43{number}{json.dumps([answer], separators=(',', ':'))}".encode())

    def tell(self, party: Party, event: str, spaced: bool = False, **fields: object) -> None:
        """Sends an event of this call."""
        data = [event, {"timestamp": 1, "callId": self.call_id, **fields}]
        party.hear(b"42" + json.dumps(data, separators=None if spaced else (",", ":")).encode())


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    return Call(monkeypatch, cycles.CALLER, cycles.CALLEE)


def test_a_cycle(call: Call) -> None:
    caller, callee = call.pair.caller, call.pair.callee
    assert call.said[0].startswith('421["call:initiate",{"receiverId":"USR_2","callId":"')
    call.ack(caller, 1, success=True)
    call.tell(callee, "call:incoming", callerId="USR_1")
    call.tell(caller, "call:ringing")
    call.ack(callee, 2, success=True)
    call.tell(caller, "call:accepted")
    call.ack(caller, 3, success=True)
    call.tell(caller, "call:ended")
    assert call.ended == []
    call.tell(callee, "call:ended")
    assert call.ended == [call.call_id]
    assert call.said[1:] == [
        f'422["call:accept",{{"callId":"{call.call_id}"}}]',
        f'423["call:end",{{"callId":"{call.call_id}"}}]',
    ]


def test_a_cycle_with_acks_behind_and_spaces_between(call: Call) -> None:
    caller, callee = call.pair.caller, call.pair.callee
    call.tell(callee, "call:incoming", spaced=True)
    call.tell(caller, "call:accepted", spaced=True)
    call.tell(callee, "call:ended", spaced=True)
    callee.hear(b'432[{"callId": "x", "success": true}]')
    caller.hear(b'431[ {"success": true} ]')
    assert call.ended == []
    call.ack(caller, 3, success=True)
    assert call.ended == [call.call_id]
    assert len(call.said) == 3


def test_a_rejected_call(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(monkeypatch, rejects.CALLER, rejects.CALLEE)
    caller, callee = call.pair.caller, call.pair.callee
    call.ack(caller, 1, success=True)
    call.tell(callee, "call:incoming")
    call.tell(callee, "call:reject:confirmed")
    call.tell(caller, "call:rejected", reason="User declined")
    call.ack(callee, 2, success=True)
    assert call.ended == [call.call_id]
    assert call.pair.took > 0
    assert call.said[1].startswith('422["call:reject",')


def test_what_is_wrong_in_a_call_ends_the_run(call: Call) -> None:
    caller, callee = call.pair.caller, call.pair.callee
    with pytest.raises(Unexpected, match=r"answered no: .*rate_limited"):
        call.ack(caller, 1, success=False, code="rate_limited")
    with pytest.raises(Unexpected, match=r"waiting for the next of the call .*call:timeout"):
        call.tell(caller, "call:timeout")
    with pytest.raises(Unexpected, match=r"waiting for the next of the call .*call:incoming"):
        call.tell(callee, "call:incoming", callId="another")
    call.tell(callee, "call:incoming")
    with pytest.raises(Unexpected, match=r"came twice"):
        call.tell(callee, "call:incoming")
    with pytest.raises(Unexpected, match=r"waiting for"):
        call.ack(callee, 9, success=True)
