"""The Engine.IO route: which request opens, uses or upgrades a session, and which is refused with what."""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from onlycare_socket.transport.address import Proxies
from onlycare_socket.transport.head import UpgradeHead
from onlycare_socket.transport.origins import Origins
from onlycare_socket.transport.polling import Polling, Refused
from onlycare_socket.transport.session import Session
from onlycare_socket.transport.upgrade import Unwelcome, Upgrade
from onlycare_socket.transport.websocket import Accept, Receiver, WebSocket
from onlycare_socket.wire.engineio import PROTOCOL_VERSION, Refusal, join_payload

if TYPE_CHECKING:
    from onlycare_socket.transport.engine import EngineServer

LARGE_ANSWER = 32_768
"""Bytes. A larger answer may have to wait for a client that reads slowly, so its writing has a time limit."""

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")


class Route:
    """Answers the requests of one path."""

    def __init__(self, engine: "EngineServer") -> None:
        self._engine = engine
        self._origins = Origins(engine.options.allowed_origins)
        self._proxies = Proxies(engine.options.trusted_proxies)

    def admit(self, head: UpgradeHead, peer: str) -> Accept | None:
        """Who takes the WebSocket that this head asks for; None when `answer` is to say why nobody does."""
        query, headers = head.query, head.headers
        if head.path != self._engine.options.path or query.get("transport") != "websocket":
            return None
        if not self._origins.passes(headers):
            return None
        try:
            check_upgrade(headers)
            sid = query.get("sid")
            if sid is not None:
                session = self._engine.sessions.get(sid)
                return None if session is None else partial(_begin_upgrade, session)
            self._check_open("GET", query)
        except Refused:
            return None
        forwarded = headers.get("x-forwarded-for")
        return self._opener(self._proxies.client(peer, () if forwarded is None else (forwarded,)))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler."""
        if not self._origins.passes(request.headers):
            return self._refuse(request, Refused(Refusal.FORBIDDEN, close=True), cors=False)
        if request.method == "OPTIONS":
            return self._origins.preflight(request)
        try:
            response = self._decide(request)
            # A WebSocket that was handed over comes back as a response at once: no await after it.
            return response if isinstance(response, web.StreamResponse) else await response
        except Refused as refused:
            return self._refuse(request, refused)

    def _decide(self, request: web.Request) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        query = request.query
        transport = query.get("transport")
        if transport not in ("polling", "websocket"):
            raise Refused(Refusal.UNKNOWN_TRANSPORT)
        sid = query.get("sid")
        if sid is None:
            return self._open(request, transport)
        session = self._engine.sessions.get(sid)
        if session is None:
            return self._farewell(request, sid)
        if transport == "websocket":
            return self._take(request, partial(_begin_upgrade, session))
        if session.polling is None or "j" in query:
            raise Refused(Refusal.BAD_REQUEST)
        if request.method == "GET":
            return self._poll(request, session.polling)
        if request.method == "POST":
            return self._post(request, session.polling)
        raise Refused(Refusal.BAD_REQUEST, close=True)

    def _open(self, request: web.Request, transport: str) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        self._check_open(request.method, request.query)
        address = self._proxies.client(request.remote or "", request.headers.getall("X-Forwarded-For", ()))
        if transport == "websocket":
            return self._take(request, self._opener(address))
        _, first = self._engine.open(address, None)
        return self._payload(request, join_payload(first))

    def _check_open(self, method: str, query: Mapping[str, str]) -> None:
        """Raise Refused unless a session may be opened so, and now."""
        if method != "GET":
            raise Refused(Refusal.BAD_HANDSHAKE_METHOD, close=True)
        if query.get("EIO") != PROTOCOL_VERSION:
            raise Refused(Refusal.UNSUPPORTED_VERSION)
        if "j" in query:
            raise Refused(Refusal.BAD_REQUEST)
        if self._engine.full:
            raise Refused(Refusal.TOO_MANY_SESSIONS)

    def _opener(self, address: str) -> Accept:
        """Who takes a WebSocket that opens a session."""
        engine = self._engine
        return lambda websocket: engine.open(address, websocket)[0]

    def _take(self, request: web.Request, accept: Accept) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        if request.method != "GET" or request.version != (1, 1) or request.can_read_body:
            raise Refused(Refusal.BAD_REQUEST, close=True)
        check_upgrade(request.headers)
        return self._engine.hall.take(request, accept)

    def _farewell(self, request: web.Request, sid: str) -> web.Response:
        if request.method == "GET" and request.query["transport"] == "polling":
            last = self._engine.take_farewell(sid)
            if last is not None:
                return self._payload(request, last)
        raise Refused(Refusal.UNKNOWN_SESSION, close=request.method != "GET")

    async def _poll(self, request: web.Request, polling: Polling) -> web.StreamResponse:
        self._engine.counters.polls += 1
        response = self._payload(request, join_payload(await polling.get()))
        if response.content_length is not None and response.content_length > LARGE_ANSWER:
            try:
                async with asyncio.timeout(self._engine.options.body_timeout):
                    await response.prepare(request)
                    await response.write_eof()
            except TimeoutError:
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def _post(self, request: web.Request, polling: Polling) -> web.StreamResponse:
        await polling.post(request)
        return web.Response(body=b"ok", content_type="text/html", headers=self._origins.headers(request))

    def _payload(self, request: web.Request, body: bytes) -> web.Response:
        return web.Response(
            body=body,
            content_type="text/plain",
            charset="UTF-8",
            headers={**self._origins.headers(request), "Cache-Control": "no-store"},
        )

    def _refuse(self, request: web.Request, refused: Refused, *, cors: bool = True) -> web.Response:
        refusal = refused.refusal
        self._engine.counters.refused[refusal.name.lower()] += 1
        body = refusal.body()
        response = web.Response(
            status=refusal.status,
            body=body,
            content_type="application/json" if body else "text/plain",
            headers={**(self._origins.headers(request) if cors else {}), **refused.headers},
        )
        if refused.close:
            response.force_close()
        return response


def _begin_upgrade(session: Session, websocket: WebSocket) -> Receiver:
    """Takes a WebSocket that is to carry a session that polls."""
    if session.begin_upgrade(websocket):
        return Upgrade(session, websocket)
    websocket.close()
    return Unwelcome()


def check_upgrade(headers: Mapping[str, str]) -> None:
    """Raise Refused unless these headers ask for a WebSocket as RFC 6455, section 4.2.1 wants it.

    Their names are in lower case, or in any.
    """
    tokens = [token.strip().lower() for token in headers.get("connection", "").split(",")]
    if (
        headers.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in tokens  # Firefox sends two: keep-alive, Upgrade
        or _KEY.fullmatch(headers.get("sec-websocket-key", "")) is None
    ):
        raise Refused(Refusal.BAD_REQUEST, close=True)
    if headers.get("sec-websocket-version") != "13":
        raise Refused(Refusal.UPGRADE_REQUIRED, close=True, headers={"Sec-WebSocket-Version": "13"})
