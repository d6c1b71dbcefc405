"""A real HTTP server in Laravel's place: `users/me` for the tokens it knows, and every misbehaviour on demand."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


def user(user_id: object, **more: object) -> dict[str, object]:
    """A user as Laravel describes one, with data that must not be kept."""
    private = {"phone": "+919812345678", "email": "asha@example.com", "coin_balance": 120}
    return {"id": user_id, "name": f"Name of {user_id}", "gender": "FEMALE", **private, **more}


def answer(body: object, status: int = 200, **headers: str) -> Behaviour:
    """Answers with JSON, or with the very bytes or text given."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()

    async def behave(request: web.Request) -> web.StreamResponse:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=raw, status=status, headers=fields, content_type="application/json")

    return behave


def status(code: int, **headers: str) -> Behaviour:
    """Answers like Laravel's error pages do."""
    return answer({"message": "it went wrong"}, code, **headers)


async def reset(request: web.Request) -> web.StreamResponse:
    """Cuts the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    """Sends for as long as somebody reads."""
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b" " * 65_536)
    except ConnectionError:
        return response


def raw(*pieces: bytes) -> Behaviour:
    """Answers with these very bytes and ends the connection."""

    async def behave(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        for piece in pieces:
            transport.write(piece)
            await asyncio.sleep(0)
        transport.close()
        return web.Response()

    return behave


async def hanging(request: web.Request) -> web.StreamResponse:
    """Never answers: is cancelled when the asker goes away, or with the server."""
    await asyncio.Event().wait()
    return web.Response()


def held(gate: asyncio.Event, then: Behaviour) -> Behaviour:
    """Answers once the gate is open."""

    async def behave(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return await then(request)

    return behave


class Laravel:
    """Keeps what it is asked. `next` holds behaviours for the next questions about a token, `always` for the others."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, object]] = {}
        self.next: deque[Behaviour] = deque()
        self.always: Behaviour = self.truthful
        self.check: Behaviour = status(401)
        """What a request without a token meets."""
        self.seen: list[tuple[str, dict[str, str]]] = []
        """Path and headers of each request for a token."""
        self.checks = 0
        """Requests without a token."""
        self.now = 0
        self.most_at_once = 0
        self.port = 0
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> int:
        """How many times it was asked about a token."""
        return len(self.seen)

    async def start(self) -> None:
        """Listens, on the same port as before if there was one."""
        self._runner = web.ServerRunner(web.Server(self._handle, handler_cancellation=True), shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Authorization" not in request.headers:
            self.checks += 1
            return await self.check(request)  # type: ignore[arg-type]  # a plain server passes the base class
        self.seen.append((request.path, dict(request.headers)))
        behave = self.next.popleft() if self.next else self.always
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            return await behave(request)  # type: ignore[arg-type]
        finally:
            self.now -= 1

    async def truthful(self, request: web.Request) -> web.StreamResponse:
        """Answers as Laravel does: 200 for a token it knows, else 401."""
        if request.path != "/api/v1/users/me":
            return await status(404)(request)
        found = self.users.get(request.headers["Authorization"].removeprefix("Bearer "))
        if found is None:
            return await status(401)(request)
        return await answer({"success": True, "data": found})(request)
