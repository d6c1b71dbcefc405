"""`/health`, `/ready` and `/metrics`: how the server is."""

from collections.abc import Callable

from aiohttp import web

from onlycare_socket import __version__
from onlycare_socket.clock import Clock
from onlycare_socket.http_api.exchange import answer
from onlycare_socket.ports import CallLog
from onlycare_socket.sockets import NodeSockets


class Condition:
    """How the server is: set by those who know, read by monitors."""

    def __init__(self, started: float) -> None:
        """`started` is the monotonic time in seconds."""
        self.started = started
        self.draining = False
        self.trouble: Callable[[], str | None] = lambda: None
        """Says in a word why a promise is kept only in part (`DEGRADED`), or None."""


class Monitoring:
    """Answers monitors."""

    def __init__(
        self,
        *,
        condition: Condition,
        sockets: NodeSockets,
        log: CallLog,
        clock: Clock,
        metrics: Callable[[], tuple[bytes, str]],
    ) -> None:
        """`metrics` returns a body and its content type."""
        self._condition = condition
        self._sockets = sockets
        self._log = log
        self._clock = clock
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        """Returns what to add to the application."""
        return [
            web.get("/health", self._health),
            web.get("/ready", self._ready),
            web.get("/metrics", self._scrape),
        ]

    async def _health(self, request: web.Request) -> web.Response:
        trouble = self._condition.trouble()
        body = {
            "status": trouble or "OK",
            "connectedUsers": self._sockets.user_count,
            "activeCalls": self._log.live_count(),
            "timestamp": self._clock.wall(),
            "uptime": round(self._clock.monotonic() - self._condition.started, 3),
            "version": __version__,
        }
        return answer(body, 503 if trouble else 200)

    async def _ready(self, request: web.Request) -> web.Response:
        if self._condition.draining:
            return answer({"ready": False, "reason": "draining"}, 503)
        trouble = self._condition.trouble()
        return answer({"ready": False, "reason": trouble}, 503) if trouble else answer({"ready": True})

    async def _scrape(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})
