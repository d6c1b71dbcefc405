"""`/api/calls`: live and recent calls, everything that happened to one, and ending it. Never an Agora token."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import astuple

from onlycare_socket.calls.call import Call, Step
from onlycare_socket.calls.commands import OperatorEnded
from onlycare_socket.calls.errors import NotFound
from onlycare_socket.calls.ids import CallId, canonical_call
from onlycare_socket.calls.timeline import summary
from onlycare_socket.http_api.exchange import BadRequest, answer, read_number, refused
from onlycare_socket.http_api.words import say
from onlycare_socket.ports import CallLog, CallStore
from onlycare_socket.switchboard import Switchboard

USUAL_PAGE, MAX_PAGE = 100, 1_000
"""Calls on one page when nobody says, and at the most."""

T = TypeVar("T")


class LegRow(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The part of one device."""

    user_id: str
    device: str
    state: str
    missed: bool | UnsetType = UNSET


class CallRow(Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """One call, as operators see it; ids as the caller wrote them, times in ms."""

    call_id: str
    state: str
    code: str | UnsetType = UNSET
    call_type: str
    caller_id: str
    receiver_id: str
    started_at: int
    accepted_at: int | UnsetType = UNSET
    ended_at: int | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    legs: tuple[LegRow, ...] | UnsetType = UNSET


class StepRow(Struct, frozen=True, omit_defaults=True):
    """One line of a timeline: the fields of a `Step`."""

    at: int
    what: str
    by: str = ""
    device: str = ""
    channel: str = ""
    detail: str = ""
    told: tuple[str, ...] = ()
    to: str = ""


class Timeline(Struct, frozen=True, rename="camel"):
    """Everything that happened to one call."""

    call_id: str
    steps: list[StepRow]
    summary: str


class CallRequests:
    """Answers questions about calls."""

    def __init__(self, *, switchboard: Switchboard, store: CallStore, log: CallLog) -> None:
        self._switchboard = switchboard
        self._store = store
        self._log = log

    def routes(self) -> list[web.RouteDef]:
        """Returns what to add to the application."""
        return [
            web.get("/api/calls", self._recent),
            web.get("/api/calls/{callId}", self._one),
            web.get("/api/calls/{callId}/timeline", self._timeline),
            web.post("/api/calls/{callId}/end", self._end),
        ]

    async def _recent(self, request: web.Request) -> web.Response:
        limit = read_number(request, "limit", USUAL_PAGE, MAX_PAGE) or USUAL_PAGE
        calls: tuple[Call, ...] = await _told(lambda done: self._log.recent(limit, done))
        return answer({"count": len(calls), "calls": [call_row(call) for call in calls]})

    async def _one(self, request: web.Request) -> web.Response:
        return answer(call_row(await self._find(_call_of(request)), with_legs=True))

    async def _timeline(self, request: web.Request) -> web.Response:
        call = await self._find(_call_of(request))
        steps: tuple[Step, ...] = await _told(lambda done: self._log.timeline(call.id, done))
        rows = [StepRow(*astuple(step)) for step in steps]
        return answer(Timeline(call.caller.call_id, rows, summary(call, steps)))

    async def _end(self, request: web.Request) -> web.Response:
        written = request.match_info["callId"]
        _call_of(request)
        reply, reached = await say(self._switchboard, OperatorEnded(call_id=written))
        if not reply.success:
            return refused(reply)
        body: dict[str, object] = {"success": True, "callId": written, "state": reply.state, "emitted": reached}
        if reply.duplicate is True:
            body |= {"emitted": False, "duplicate": True}
        if reply.code is not UNSET:
            body["code"] = reply.code
        return answer(body)

    async def _find(self, call_id: CallId) -> Call:
        call: Call | None = await _told(lambda done: self._store.find(call_id, done))
        if call is None:
            raise BadRequest(404, NotFound.sentence)
        return call


async def _told(ask: Callable[[Callable[[T], None]], None]) -> T:
    """Returns what a port calls back with."""
    told: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def done(answered: T) -> None:
        if not told.done():
            told.set_result(answered)

    ask(done)
    return await told


def _call_of(request: web.Request) -> CallId:
    """Returns the call in the path; what is no call id names no call."""
    try:
        return canonical_call(request.match_info["callId"])
    except ValueError:
        raise BadRequest(404, NotFound.sentence) from None


def call_row(call: Call, *, with_legs: bool = False) -> CallRow:
    """Returns a call as operators see it."""
    legs = tuple(
        LegRow(leg.user, leg.device, leg.state.value, True if leg.missed else UNSET) for leg in call.legs if with_legs
    )
    return CallRow(
        call_id=call.caller.call_id,
        state=call.state.value,
        code=UNSET if call.code is None else call.code.value,
        call_type=call.call_type,
        caller_id=call.caller.shown,
        receiver_id=call.receiver.shown,
        started_at=call.created,
        accepted_at=UNSET if call.accepted is None else call.accepted,
        ended_at=UNSET if call.ended is None else call.ended,
        duration_ms=UNSET if call.duration is None else call.duration,
        legs=legs if with_legs else UNSET,
    )
