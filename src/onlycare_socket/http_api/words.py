"""`/api/emit/*`: what the backend says of calls; it holds in every live state (contract section 4)."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import web
from msgspec import UNSET, Struct

from onlycare_socket.calls.commands import (
    BackendAccepted,
    BackendCancelled,
    BackendCommand,
    BackendEnded,
    BackendRejected,
    OperatorEnded,
)
from onlycare_socket.calls.ids import MAX_ID, DeviceId, UserId, canonical_call, canonical_user, is_user
from onlycare_socket.calls.messages import Reply
from onlycare_socket.calls.states import State
from onlycare_socket.calls.words import MAX_REASON
from onlycare_socket.http_api.exchange import BadRequest, answer, read_body, refused
from onlycare_socket.ports import Directory
from onlycare_socket.switchboard import Switchboard

Written = str | int
"""An id as a body may hold it."""


class _Word(Struct, frozen=True, rename="camel", kw_only=True):
    call_id: Written
    reason: str | None = None


class AcceptedWord(_Word, frozen=True, kw_only=True):
    """The body of `call-accepted`."""

    caller_id: Written
    receiver_id: Written
    device_id: str | None = None


class CancelledWord(_Word, frozen=True, kw_only=True):
    """The body of `call-cancelled`."""

    receiver_id: Written
    caller_id: Written | None = None


class RejectedWord(_Word, frozen=True, kw_only=True):
    """The body of `call-rejected`."""

    caller_id: Written
    receiver_id: Written


class EndedWord(_Word, frozen=True, kw_only=True):
    """The body of `call-ended`."""

    caller_id: Written
    receiver_id: Written
    ended_by: Written | None = None


W = TypeVar("W", bound=_Word)


class BackendWords:
    """Takes the backend's words and hands them to the switchboard."""

    def __init__(self, switchboard: Switchboard, directory: Directory) -> None:
        self._switchboard = switchboard
        self._directory = directory

    def routes(self) -> list[web.RouteDef]:
        """Returns what to add to the application."""
        return [
            web.post("/api/emit/call-accepted", self._takes(AcceptedWord, self._accepted)),
            web.post("/api/emit/call-cancelled", self._takes(CancelledWord, self._cancelled)),
            web.post("/api/emit/call-rejected", self._takes(RejectedWord, self._rejected)),
            web.post("/api/emit/call-ended", self._takes(EndedWord, self._ended)),
        ]

    def _takes(
        self, shape: type[W], command: Callable[[W], BackendCommand]
    ) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            said = command(await read_body(request, shape))
            return worded(said, *await say(self._switchboard, said))

        return handler

    def _accepted(self, word: AcceptedWord) -> BackendCommand:
        parties = self._parties(word.caller_id, word.receiver_id)
        if len(word.device_id or "") > MAX_ID:
            raise BadRequest(422, "Bad body: deviceId is too long")
        device = DeviceId(f"d:{word.device_id}") if word.device_id else None
        return BackendAccepted(call_id=call_id_of(word.call_id), device=device, **parties)

    def _cancelled(self, word: CancelledWord) -> BackendCommand:
        parties = self._parties(word.caller_id, word.receiver_id)
        return BackendCancelled(call_id=call_id_of(word.call_id), reason=_reason(word), **parties)

    def _rejected(self, word: RejectedWord) -> BackendCommand:
        parties = self._parties(word.caller_id, word.receiver_id)
        return BackendRejected(call_id=call_id_of(word.call_id), reason=_reason(word), **parties)

    def _ended(self, word: EndedWord) -> BackendCommand:
        parties = self._parties(word.caller_id, word.receiver_id)
        ended_by = None if word.ended_by is None else _user(word.ended_by, "endedBy")
        return BackendEnded(call_id=call_id_of(word.call_id), reason=_reason(word), ended_by=ended_by, **parties)

    def _parties(self, caller: Written | None, receiver: Written) -> dict[str, Any]:
        parties: dict[str, Any] = {"receiver": _user(receiver, "receiverId")}
        parties["receiver_shown"] = self._directory.shown(parties["receiver"]) or str(receiver)
        if caller is not None:
            parties["caller"] = _user(caller, "callerId")
            parties["caller_shown"] = self._directory.shown(parties["caller"]) or str(caller)
        return parties


async def say(switchboard: Switchboard, command: BackendCommand | OperatorEnded) -> tuple[Reply, bool]:
    """Returns the switchboard's reply to a command, and whether at least one live socket was handed something."""
    said: asyncio.Future[tuple[Reply, bool]] = asyncio.get_running_loop().create_future()

    def answered(reply: Reply, reached: bool) -> None:
        if not said.done():
            said.set_result((reply, reached))

    switchboard.word(command, answered)
    return await said


def worded(command: BackendCommand, reply: Reply, reached: bool) -> web.Response:
    """Returns the answer to one word of the backend."""
    if not reply.success:
        return refused(reply)
    body: dict[str, object] = {"success": True, "emitted": reached}
    if reply.duplicate is True:
        body |= {"emitted": False, "duplicate": True}
    elif isinstance(command, BackendAccepted) and reply.state == State.ENDED:
        body |= {"emitted": False, "reason": "Call already ended"}
    elif not reached:
        body["reason"] = "Caller not connected" if isinstance(command, BackendAccepted) else "User not connected"
    if reply.state is not UNSET:
        body["state"] = reply.state
    if reply.code is not UNSET:
        body["code"] = reply.code
    return answer(body)


def call_id_of(written: Written) -> str:
    """Returns a call id as it was written. Raises BadRequest when it is none."""
    text = str(written)
    try:
        canonical_call(text)
    except ValueError:
        raise BadRequest(422, "Bad body: callId is no call id") from None
    return text


def _user(written: Written, field: str) -> UserId:
    text = str(written)
    if not is_user(text):
        raise BadRequest(422, f"Bad body: {field} is no user id")
    return canonical_user(text)


def _reason(word: _Word) -> str:
    return (word.reason or "")[:MAX_REASON]
