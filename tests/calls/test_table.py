"""Every state, every command, every place a device may have: the call table of the design, row by row.

A row quotes the design in short, names the cases it speaks of, and says everything that follows: the ack key by key,
who hears what in which order, the legs of the receiver, the timers, and what the backend is told. Whoever is not
named hears nothing; legs and timers that are not named stay as they are. The last test counts: no case is left out,
and none is told twice.
"""

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any
from unittest.mock import ANY

import pytest
from msgspec import Struct

from tests.calls.situations import ANA, BEA, OVER, SITUATIONS, TALKING, Scene, around, set_up
from tests.phones import ID, Phone

COMMANDS: dict[str, Callable[[Phone], dict[str, Any]]] = {
    "accept": Phone.accept,
    "reject": Phone.reject,
    "cancel": Phone.cancel,
    "end": Phone.end,
    "call:ringing": Phone.ringing,
    "upgrade": Phone.upgrade,
    "upgrade:response yes": lambda phone: phone.answer_upgrade(True),
    "upgrade:response no": lambda phone: phone.answer_upgrade(False),
}
RESPONSES = ("upgrade:response yes", "upgrade:response no")
VIDEO = ("upgrade", *RESPONSES)
CALLER, RECEIVER, PARTIES = ("a1", "a2"), ("b1", "b2"), ("a1", "a2", "b1", "b2")
ON_ONE_PHONE = ("accepted", "winner gone", "video", "asked", "asked by receiver")
"""Accepted, and b1 is the winner."""
WITH_WINNER = ("accepted", "video", "asked", "asked by receiver")
"""b1 is the winner and has a socket."""


def ok(state: str, **more: object) -> dict[str, object]:
    return {"success": True, "callId": ID, "state": state, **more}


def no(code: str, state: str, error: object = ANY) -> dict[str, object]:
    return {"success": False, "error": error, "code": code, "callId": ID, "state": state}


def stop(code: str) -> list[str]:
    """The design's "stop"."""
    return [f"call:cancelled/{code}", f"call:ended/{code}"]


class Row(Struct, frozen=True, kw_only=True):
    """One row. In `told` and `legs`, `me` is the acting phone and `other` the other phone of the same user."""

    says: str
    given: tuple[str, ...]
    do: tuple[str, ...]
    by: tuple[str, ...]
    ack: dict[str, object]
    state: str
    told: dict[str, list[str]] = {}
    legs: dict[str, str] = {}
    timers: set[str] | None = None
    reports: list[str] = []
    call_type: str | None = None

    def cases(self) -> list[tuple[str, str, str]]:
        return [case for case in product(self.given, self.do, self.by) if case[2] in around(case[0])]


NOT_FOUND = no("not_found", "unknown", "Call not found")

RINGING = [
    Row(
        says="ringing | accept by the receiver, first | caller: accepted; the receiver's other devices: stop",
        given=("ringing", "shown"),
        do=("accept",),
        by=RECEIVER,
        ack=ok("accepted"),
        state="accepted",
        told={"a1": ["call:accepted"], "other": stop("answered_elsewhere")},
        legs={"me": "accepted", "other": "stopped"},
        timers={"max_duration"},
        reports=["accepted"],
    ),
    Row(
        says="ringing | reject, or end by the receiver | confirmed; caller: rejected; other devices: stop",
        given=("ringing", "shown"),
        do=("reject", "end"),
        by=RECEIVER,
        ack=ok("ended"),
        state="ended",
        told={
            "me": ["call:reject:confirmed"],
            "a1": ["call:rejected/declined"],
            "other": stop("declined_elsewhere"),
        },
        legs={"me": "declined", "other": "stopped"},
        timers=set(),
        reports=["declined"],
    ),
    Row(
        says="ringing | cancel or end by the caller | receiver: stop; the ender's other devices: ended",
        given=("ringing", "shown"),
        do=("cancel", "end"),
        by=CALLER,
        ack=ok("ended"),
        state="ended",
        told={"b1": stop("cancelled"), "b2": stop("cancelled"), "other": ["call:ended/cancelled"]},
        legs={"b1": "stopped", "b2": "stopped"},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="ringing | accept, reject or ringing by the caller | forbidden",
        given=("ringing", "shown"),
        do=("accept", "reject", "call:ringing"),
        by=CALLER,
        ack=no("forbidden", "ringing"),
        state="ringing",
    ),
    Row(
        says="ringing | cancel by the receiver | forbidden",
        given=("ringing", "shown"),
        do=("cancel",),
        by=RECEIVER,
        ack=no("forbidden", "ringing"),
        state="ringing",
    ),
    Row(
        says="ringing | ringing by a receiver's device, first | leg shown; caller: ringing",
        given=("ringing",),
        do=("call:ringing",),
        by=RECEIVER,
        ack=ok("ringing"),
        state="ringing",
        told={"a1": ["call:ringing"]},
        legs={"me": "shown"},
    ),
    Row(
        says="ringing | ringing by a second device | leg shown; the caller was told before",
        given=("shown",),
        do=("call:ringing",),
        by=("b2",),
        ack=ok("ringing"),
        state="ringing",
        legs={"me": "shown"},
    ),
    Row(
        says="ringing | ringing again by the same device | duplicate",
        given=("shown",),
        do=("call:ringing",),
        by=("b1",),
        ack=ok("ringing", duplicate=True),
        state="ringing",
    ),
    Row(
        says="ringing | upgrade, upgrade:response | conflict",
        given=("ringing", "shown"),
        do=VIDEO,
        by=PARTIES,
        ack=no("conflict", "ringing"),
        state="ringing",
    ),
]

ACCEPTED = [
    Row(
        says="accepted, winner open | accept by a device of the receiver | winner named; other devices: stop",
        given=("winner open",),
        do=("accept",),
        by=RECEIVER,
        ack=ok("accepted", duplicate=True),
        state="accepted",
        told={"other": stop("answered_elsewhere")},
        legs={"me": "accepted", "other": "stopped"},
    ),
    Row(
        says="accepted | accept again by the winner | duplicate",
        given=WITH_WINNER,
        do=("accept",),
        by=("b1",),
        ack=ok("accepted", duplicate=True),
        state="accepted",
    ),
    Row(
        says="accepted, winner named and with a live socket | accept, reject or end by another device | stop",
        given=WITH_WINNER,
        do=("accept", "reject", "end"),
        by=("b2",),
        ack=no("answered_elsewhere", "accepted"),
        state="accepted",
        told={"me": stop("answered_elsewhere")},
    ),
    Row(
        says="accepted, winner without a socket | accept or reject by another device | the first accept won",
        given=("winner gone",),
        do=("accept", "reject"),
        by=("b2",),
        ack=no("answered_elsewhere", "accepted"),
        state="accepted",
        told={"me": stop("answered_elsewhere")},
    ),
    Row(
        says="accepted | reject by the winner | conflict",
        given=WITH_WINNER,
        do=("reject",),
        by=("b1",),
        ack=no("conflict", "accepted"),
        state="accepted",
    ),
    Row(
        says="accepted, winner open | reject by a device of the receiver | stop, that device only",
        given=("winner open",),
        do=("reject",),
        by=RECEIVER,
        ack=no("answered_elsewhere", "accepted"),
        state="accepted",
        told={"me": stop("answered_elsewhere")},
        legs={"me": "stopped"},
    ),
    Row(
        says="accepted | end or cancel by the caller on the dialling device | other party and other devices: ended",
        given=WITH_WINNER,
        do=("end", "cancel"),
        by=("a1",),
        ack=ok("ended"),
        state="ended",
        told={"b1": ["call:ended/completed"], "a2": ["call:ended/completed"]},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted | end or cancel by the caller on another device | other party and other devices: ended",
        given=WITH_WINNER,
        do=("end", "cancel"),
        by=("a2",),
        ack=ok("ended"),
        state="ended",
        told={"b1": ["call:ended/completed"], "a1": ["call:ended/completed"]},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted, winner without a socket | end or cancel by the caller | nobody is left to tell there",
        given=("winner gone",),
        do=("end", "cancel"),
        by=CALLER,
        ack=ok("ended"),
        state="ended",
        told={"other": ["call:ended/completed"]},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted, winner open | end or cancel by the caller | all devices of the receiver may ring: stop",
        given=("winner open",),
        do=("end", "cancel"),
        by=CALLER,
        ack=ok("ended"),
        state="ended",
        told={"b1": stop("completed"), "b2": stop("completed"), "other": ["call:ended/completed"]},
        legs={"b1": "stopped", "b2": "stopped"},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted | end by the winner | caller: ended",
        given=WITH_WINNER,
        do=("end",),
        by=("b1",),
        ack=ok("ended"),
        state="ended",
        told={"a1": ["call:ended/completed"]},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted, winner without a socket | end by any device of the receiver | caller: ended",
        given=("winner gone",),
        do=("end",),
        by=("b2",),
        ack=ok("ended"),
        state="ended",
        told={"a1": ["call:ended/completed"]},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted, winner open | end by any device of the receiver | caller: ended; other devices: stop",
        given=("winner open",),
        do=("end",),
        by=RECEIVER,
        ack=ok("ended"),
        state="ended",
        told={"a1": ["call:ended/completed"], "other": stop("completed")},
        legs={"me": "stopped", "other": "stopped"},
        timers=set(),
        reports=["hung_up"],
    ),
    Row(
        says="accepted | ringing by the receiver | ack with the state",
        given=TALKING,
        do=("call:ringing",),
        by=RECEIVER,
        ack=ok("accepted"),
        state="accepted",
    ),
    Row(
        says="accepted | accept, reject or ringing by the caller | forbidden",
        given=TALKING,
        do=("accept", "reject", "call:ringing"),
        by=CALLER,
        ack=no("forbidden", "accepted"),
        state="accepted",
    ),
    Row(
        says="accepted | cancel by the receiver | forbidden",
        given=TALKING,
        do=("cancel",),
        by=RECEIVER,
        ack=no("forbidden", "accepted"),
        state="accepted",
    ),
]

UPGRADE = [
    Row(
        says="accepted, already video | upgrade | duplicate",
        given=("video",),
        do=("upgrade",),
        by=PARTIES,
        ack=ok("accepted", duplicate=True),
        state="accepted",
    ),
    Row(
        says="accepted | upgrade by the caller | pending; the winner: request",
        given=("accepted",),
        do=("upgrade",),
        by=CALLER,
        ack=ok("accepted"),
        state="accepted",
        told={"b1": ["call:upgrade:request"]},
        timers={"max_duration", "upgrade"},
        call_type="audio",
    ),
    Row(
        says="accepted, winner without a socket | upgrade by the caller | pending; the receiver's other devices",
        given=("winner gone",),
        do=("upgrade",),
        by=CALLER,
        ack=ok("accepted"),
        state="accepted",
        told={"b2": ["call:upgrade:request"]},
        timers={"max_duration", "upgrade"},
        call_type="audio",
    ),
    Row(
        says="accepted, winner open | upgrade by the caller | pending; all the receiver's devices: request",
        given=("winner open",),
        do=("upgrade",),
        by=CALLER,
        ack=ok("accepted"),
        state="accepted",
        told={"b1": ["call:upgrade:request"], "b2": ["call:upgrade:request"]},
        timers={"call_grace", "max_duration", "upgrade"},
        call_type="audio",
    ),
    Row(
        says="accepted | upgrade by the receiver | pending; the dialling device: request",
        given=("accepted", "winner gone"),
        do=("upgrade",),
        by=RECEIVER,
        ack=ok("accepted"),
        state="accepted",
        told={"a1": ["call:upgrade:request"]},
        timers={"max_duration", "upgrade"},
        call_type="audio",
    ),
    Row(
        says="accepted, winner open | upgrade by the receiver | pending; the dialling device: request",
        given=("winner open",),
        do=("upgrade",),
        by=RECEIVER,
        ack=ok("accepted"),
        state="accepted",
        told={"a1": ["call:upgrade:request"]},
        timers={"call_grace", "max_duration", "upgrade"},
        call_type="audio",
    ),
    Row(
        says="accepted | upgrade again by the same | duplicate",
        given=("asked",),
        do=("upgrade",),
        by=CALLER,
        ack=ok("accepted", duplicate=True),
        state="accepted",
        call_type="audio",
    ),
    Row(
        says="accepted | upgrade again by the same | duplicate (the receiver)",
        given=("asked by receiver",),
        do=("upgrade",),
        by=RECEIVER,
        ack=ok("accepted", duplicate=True),
        state="accepted",
        call_type="audio",
    ),
    Row(
        says="accepted | upgrade by both | counts as acceptance; response to the first",
        given=("asked",),
        do=("upgrade",),
        by=RECEIVER,
        ack=ok("accepted"),
        state="accepted",
        told={"a1": ["call:upgrade:response"]},
        timers={"max_duration"},
        call_type="video",
    ),
    Row(
        says="accepted | upgrade by both | counts as acceptance; response to the first (the receiver)",
        given=("asked by receiver",),
        do=("upgrade",),
        by=CALLER,
        ack=ok("accepted"),
        state="accepted",
        told={"b1": ["call:upgrade:response"]},
        timers={"max_duration"},
        call_type="video",
    ),
    *(
        Row(
            says=f"accepted | upgrade:response by the one asked | response to the asker ({response[17:]})",
            given=(given,),
            do=(response,),
            by=by,
            ack=ok("accepted"),
            state="accepted",
            told={asker: ["call:upgrade:response"]},
            timers={"max_duration"},
            call_type="video" if response.endswith("yes") else "audio",
        )
        for response in RESPONSES
        for given, by, asker in (("asked", RECEIVER, "a1"), ("asked by receiver", CALLER, "b1"))
    ),
    Row(
        says="accepted | upgrade:response without a request | conflict",
        given=("accepted", "winner gone", "winner open", "video"),
        do=RESPONSES,
        by=PARTIES,
        ack=no("conflict", "accepted"),
        state="accepted",
    ),
    Row(
        says="accepted | upgrade:response by the asker | conflict",
        given=("asked",),
        do=RESPONSES,
        by=CALLER,
        ack=no("conflict", "accepted"),
        state="accepted",
    ),
    Row(
        says="accepted | upgrade:response by the asker | conflict (the receiver)",
        given=("asked by receiver",),
        do=RESPONSES,
        by=RECEIVER,
        ack=no("conflict", "accepted"),
        state="accepted",
    ),
]

ENDED = [
    row
    for code in OVER
    for row in (
        Row(
            says="ended | accept, ringing by the receiver | code of the end; ended to that device",
            given=(code,),
            do=("accept", "call:ringing"),
            by=RECEIVER,
            ack=no(code, "ended"),
            state="ended",
            told={"me": [f"call:ended/{code}"]},
            # A busy call never rang: only what is told now makes a leg.
            legs={"me": "stopped"} if code == "busy" else {},
        ),
        Row(
            says="ended | accept, reject, ringing by the caller | forbidden",
            given=(code,),
            do=("accept", "reject", "call:ringing"),
            by=CALLER,
            ack=no("forbidden", "ended"),
            state="ended",
        ),
        Row(
            says="ended | cancel by the receiver | forbidden",
            given=(code,),
            do=("cancel",),
            by=RECEIVER,
            ack=no("forbidden", "ended"),
            state="ended",
        ),
        Row(
            says="ended | reject by the receiver | duplicate; confirmed",
            given=(code,),
            do=("reject",),
            by=RECEIVER,
            ack=ok("ended", duplicate=True, code=code),
            state="ended",
            told={"me": ["call:reject:confirmed"]},
        ),
        Row(
            says="ended | end by the receiver | duplicate",
            given=(code,),
            do=("end",),
            by=RECEIVER,
            ack=ok("ended", duplicate=True, code=code),
            state="ended",
        ),
        Row(
            says="ended | cancel, end by the caller | duplicate",
            given=(code,),
            do=("cancel", "end"),
            by=CALLER,
            ack=ok("ended", duplicate=True, code=code),
            state="ended",
        ),
        Row(
            says="ended | upgrade, upgrade:response | conflict",
            given=(code,),
            do=VIDEO,
            by=PARTIES,
            ack=no("conflict", "ended"),
            state="ended",
        ),
    )
]

NOBODY = [
    Row(
        says="any | any command on an unknown call | not_found",
        given=("unknown",),
        do=tuple(COMMANDS),
        by=(*PARTIES, "s"),
        ack=NOT_FOUND,
        state="unknown",
    ),
    Row(
        says="any | any command by a stranger | not_found, exactly like an unknown call",
        given=tuple(name for name in SITUATIONS if name != "unknown"),
        do=tuple(COMMANDS),
        by=("s",),
        ack=NOT_FOUND,
        state="as it was",
    ),
]

ROWS = [*RINGING, *ACCEPTED, *UPGRADE, *ENDED, *NOBODY]
CASES = [
    pytest.param(row, *case, id=f"{case[0]} | {case[1]} by {case[2]} | {row.says}")
    for row in ROWS
    for case in row.cases()
]


def names(row_names: dict[str, Any], phone: str) -> dict[str, Any]:
    """Puts the acting phone and its user's other one for `me` and `other`."""
    other = {"a1": "a2", "a2": "a1", "b1": "b2", "b2": "b1"}.get(phone, "")
    return {{"me": phone, "other": other}.get(name, name): value for name, value in row_names.items()}


def kept(scene: Scene) -> tuple[Any, ...]:
    """What is remembered of the call; nothing of a call that is unknown."""
    call = scene.exchange.find()
    if call is None:
        return ("unknown", "", {}, {})
    return (call.state.value, call.call_type, scene.exchange.legs(BEA), scene.exchange.timers())


@pytest.mark.parametrize(("row", "given", "do", "by"), CASES)
def test_row(row: Row, given: str, do: str, by: str) -> None:
    scene = set_up(given)
    state, call_type, legs, timers = kept(scene)
    call = scene.exchange.find()
    legs |= {name.removeprefix("b"): leg for name, leg in names(row.legs, by).items()}

    ack = COMMANDS[do](scene[by])

    assert ack == row.ack
    told = names(row.told, by)
    told[by] = ["ack", *told.get(by, [])]
    assert {name: phone.new() for name, phone in scene.phones.items()} == {
        name: told.get(name, []) for name in scene.phones
    }
    new_state, new_type, new_legs, new_timers = kept(scene)
    assert new_state == (state if row.state == "as it was" else row.state)
    assert new_type == (row.call_type or call_type)
    assert new_legs == legs
    assert set(new_timers) == (set(timers) if row.timers is None else row.timers)
    assert all(new_timers[kind] == timers[kind] for kind in new_timers if kind in timers)
    assert scene.exchange.reports() == row.reports
    if row.ack["success"] is False and not told.get(by, [])[1:]:
        assert scene.exchange.find() == call, "a refusal changes nothing"


def test_every_case_has_one_row() -> None:
    every = {(given, do, by) for given, do in product(SITUATIONS, COMMANDS) for by in around(given)}
    counted = Counter(case for row in ROWS for case in row.cases())
    assert set(counted) == every
    assert [case for case, rows in counted.items() if rows > 1] == []


@pytest.mark.parametrize("given", SITUATIONS)
@pytest.mark.parametrize("do", COMMANDS)
def test_a_stranger_cannot_tell_a_call_from_an_unknown_one(given: str, do: str) -> None:
    there, nothing = set_up(given), set_up("unknown")
    assert COMMANDS[do](there["s"]) == COMMANDS[do](nothing["s"])
    assert there["s"].new() == nothing["s"].new() == ["ack"]


def test_the_parties_are_ana_and_bea() -> None:
    call = set_up("ringing").exchange.call()
    assert (call.caller.shown, call.receiver.shown) == (ANA, BEA)
