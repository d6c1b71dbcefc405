"""`/api/users/*` and `/api/connected-users`: who is connected, at once and true, and logging somebody out."""

import asyncio
import heapq

from aiohttp import web
from msgspec import Struct

from onlycare_socket.calls.ids import canonical_user
from onlycare_socket.http_api.exchange import BadRequest, answer, read_body, read_number
from onlycare_socket.ports import Authenticator, Facts
from onlycare_socket.sockets import NodeSockets

MAX_ASKED = 1_000
"""User ids in one question."""
MAX_QUESTION = 262_144
"""Bytes of that question: a thousand ids of the longest kind fit."""
MAX_PAGE = 100_000
"""Users on one page."""

Written = str | int
"""An id as a body may hold it."""


class OnlineQuestion(Struct, frozen=True, rename="camel"):
    """The body of `POST /api/users/online`."""

    user_ids: list[Written]


class UserRequests:
    """Answers questions about users."""

    def __init__(self, sockets: NodeSockets, authenticator: Authenticator, facts: Facts) -> None:
        self._sockets = sockets
        self._authenticator = authenticator
        self._facts = facts

    def routes(self) -> list[web.RouteDef]:
        """Returns what to add to the application."""
        return [
            web.get("/api/users/{userId}/online", self._online, allow_head=False),
            web.get("/api/connected-users", self._connected, allow_head=False),
            web.post("/api/users/online", self._online_many),
            web.post("/api/users/{userId}/disconnect", self._disconnect),
        ]

    async def _online(self, request: web.Request) -> web.Response:
        """`userId` is echoed as it was asked; `devices` is how many of his devices are connected."""
        written = request.match_info["userId"]
        user = canonical_user(written)
        connections = self._sockets.connections(user)
        body: dict[str, object] = {
            "userId": written,
            "isOnline": bool(connections),
            "socketId": connections[0].socket.id if connections else None,
            "devices": len({connection.device for connection in connections}),
        }
        last_seen = self._sockets.last_seen(user)
        if last_seen is not None:
            body["lastSeen"] = last_seen
        return answer(body)

    async def _connected(self, request: web.Request) -> web.Response:
        """Pages by user: `limit` of them, from the one that follows `after`."""
        users = self._sockets.users()
        limit = read_number(request, "limit", None, MAX_PAGE)
        after = request.query.get("after")
        start = None if after is None else canonical_user(after)
        wanted = users if start is None else [user for user in users if user > start]
        page = sorted(wanted) if limit is None else heapq.nsmallest(limit, wanted)
        return answer(
            {"count": self._sockets.user_count, "users": [self._sockets.shown(user) or user for user in page]}
        )

    async def _online_many(self, request: web.Request) -> web.Response:
        question = await read_body(request, OnlineQuestion, most=MAX_QUESTION)
        if len(question.user_ids) > MAX_ASKED:
            raise BadRequest(422, f"userIds has at most {MAX_ASKED} ids")
        asked = map(str, question.user_ids)
        return answer({"online": {written: self._sockets.online(canonical_user(written)) for written in asked}})

    async def _disconnect(self, request: web.Request) -> web.Response:
        """Forgets the verdicts first: the client comes back at once, and must be asked about anew.

        The answer waits until they are gone from the file, too: no crash after it brings them back.
        """
        user = canonical_user(request.match_info["userId"])
        self._authenticator.forget(user)
        connections = self._sockets.connections(user)
        for connection in connections:
            connection.socket.close("logged out by the backend")
        settled = asyncio.Event()
        self._facts.settled(settled.set)
        await settled.wait()
        return answer({"success": True, "disconnected": len(connections)})
