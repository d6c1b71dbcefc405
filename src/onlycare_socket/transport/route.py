"""The Engine.IO route: which request opens, uses or upgrades a session, and which is refused with what."""

import asyncio
import re
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from aiohttp import web

from onlycare_socket.transport.address import client_address
from onlycare_socket.transport.origins import Origins
from onlycare_socket.transport.polling import Polling, Refused
from onlycare_socket.transport.session import Session
from onlycare_socket.transport.upgrade import Unwelcome, Upgrade
from onlycare_socket.transport.websocket import Receiver, WebSocket
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

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler."""
        if not self._origins.passes(request):
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
            return self._upgrade(request, session)
        if session.polling is None or "j" in query:
            raise Refused(Refusal.BAD_REQUEST)
        if request.method == "GET":
            return self._poll(request, session.polling)
        if request.method == "POST":
            return self._post(request, session.polling)
        raise Refused(Refusal.BAD_REQUEST, close=True)

    def _open(self, request: web.Request, transport: str) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        engine = self._engine
        if request.method != "GET":
            raise Refused(Refusal.BAD_HANDSHAKE_METHOD, close=True)
        if request.query.get("EIO") != PROTOCOL_VERSION:
            raise Refused(Refusal.UNSUPPORTED_VERSION)
        if "j" in request.query:
            raise Refused(Refusal.BAD_REQUEST)
        if engine.full:
            raise Refused(Refusal.TOO_MANY_SESSIONS)
        address = client_address(request, engine.options.trusted_proxies)
        if transport == "polling":
            return self._open_polling(request, address)

        def accept(websocket: WebSocket) -> Receiver:
            return engine.open(address, websocket)[0]

        check_upgrade(request)
        return engine.hall.take(request, accept)

    def _open_polling(self, request: web.Request, address: str) -> web.Response:
        _, first = self._engine.open(address, None)
        return self._payload(request, join_payload(first))

    def _upgrade(self, request: web.Request, session: Session) -> web.StreamResponse | Awaitable[web.StreamResponse]:
        def accept(websocket: WebSocket) -> Receiver:
            if session.begin_upgrade(websocket):
                return Upgrade(session, websocket)
            websocket.close()
            return Unwelcome()

        check_upgrade(request)
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


def check_upgrade(request: web.Request) -> None:
    """Raise Refused unless the request is a WebSocket upgrade of RFC 6455, section 4.2.1."""
    headers = request.headers
    tokens = [token.strip().lower() for token in headers.get("Connection", "").split(",")]
    if (
        request.method != "GET"
        or request.version != (1, 1)
        or request.can_read_body
        or headers.get("Upgrade", "").lower() != "websocket"
        or "upgrade" not in tokens  # Firefox sends two: keep-alive, Upgrade
        or _KEY.fullmatch(headers.get("Sec-WebSocket-Key", "")) is None
    ):
        raise Refused(Refusal.BAD_REQUEST, close=True)
    if headers.get("Sec-WebSocket-Version") != "13":
        raise Refused(Refusal.UPGRADE_REQUIRED, close=True, headers={"Sec-WebSocket-Version": "13"})
