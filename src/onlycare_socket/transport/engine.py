"""Engine.IO sessions of one path, for an application that gets whole messages.

An `EngineServer` knows nothing of Socket.IO. Everything runs on one event loop; what a tick queues for a session
leaves in one write when the tick ends.
"""

import asyncio
import math
import secrets
from collections.abc import Callable

from aiohttp import web

from onlycare_socket.transport.counters import Counters
from onlycare_socket.transport.fallback import AiohttpHall
from onlycare_socket.transport.farewell import Farewells
from onlycare_socket.transport.head import read_upgrade
from onlycare_socket.transport.heartbeat import Wheel, tick_for
from onlycare_socket.transport.layer import Client
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.outgoing import Outgoing
from onlycare_socket.transport.picowssocket import PicowsHall
from onlycare_socket.transport.polling import Polling
from onlycare_socket.transport.route import Route
from onlycare_socket.transport.session import SHUTTING_DOWN, Session
from onlycare_socket.transport.websocket import WebSocket
from onlycare_socket.wire.engineio import Packet, open_packet
from onlycare_socket.wire.session import Machine, Phase, Timing

SID_BYTES = 15
"""120 bits of the system's randomness: an id nobody guesses."""

CLOSE_STEP = 0.05
"""Seconds between two batches when the closing of all sessions is spread over time."""


Welcome = Callable[[Session], Client]
"""Gives a new session what runs on top of it. What it sends at once follows the open packet."""


class EngineServer:
    """All sessions of one path."""

    def __init__(self, options: ServerOptions, welcome: Welcome) -> None:
        self.options = options
        self._welcome = welcome
        self.counters = Counters()
        self.sessions: dict[str, Session] = {}
        self.closing = False
        """Whether new sessions are refused because the server is stopping."""
        self.packets_allowed = options.packets_per_window or math.inf
        self.bytes_allowed = options.bytes_per_window or math.inf
        self.wheel = Wheel(tick_for(options.ping_interval, options.ping_timeout, options.connect_timeout))
        hall = PicowsHall if options.websocket_engine == "picows" else AiohttpHall
        self.hall = hall(options.max_payload, options.max_queued, self.wheel)
        self._route = Route(self)
        self.time: Callable[[], float] = _not_started
        """The loop's clock, in seconds."""
        self._timing = Timing(options.ping_interval, options.ping_timeout, options.upgrade_timeout)
        self._farewells = Farewells(self.wheel)
        self.outgoing = Outgoing(self.counters, _not_started)

    def attach(self, app: web.Application) -> None:
        """Answer `options.path` of `app`. Stopping the app closes the sessions, if `close` has not done so."""
        app.router.add_route("*", self.options.path, self._route.answer)
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._stop)

    def take(self, transport: asyncio.Transport, began: bytes) -> bool:
        """Take a new connection whose first bytes are a plain WebSocket upgrade that is let in; False for any other."""
        if not isinstance(self.hall, PicowsHall):
            return False
        head = read_upgrade(began)
        if head is None:
            return False
        peer = transport.get_extra_info("peername")
        accept = self._route.admit(head, peer[0] if peer else "")
        if accept is None:
            return False
        self.hall.take_connection(transport, head.headers["sec-websocket-key"], accept)
        return True

    @property
    def full(self) -> bool:
        """Whether no session can be opened now."""
        return self.closing or len(self.sessions) >= self.options.max_sessions

    def open(self, address: str, websocket: WebSocket | None) -> tuple[Session, list[Packet]]:
        """A new session, on this WebSocket or else on polling, and the packets that answer its opening poll."""
        now = self.time()
        phase = Phase.POLLING if websocket is None else Phase.WEBSOCKET
        session = Session(self, secrets.token_urlsafe(SID_BYTES), address, Machine(self._timing, phase, now), now)
        if websocket is None:
            session.polling = Polling(session)
        session.websocket = websocket
        self.sessions[session.sid] = session
        self.counters.sessions_opened += 1
        self.wheel.place(session, session.machine.next_due())
        options = self.options
        session.send(
            open_packet(
                session.sid,
                ["websocket"] if websocket is None else [],
                options.ping_interval,
                options.ping_timeout,
                options.max_payload,
            )
        )
        first = []
        if websocket is None:
            first = session.take_queued()
        else:
            session.flush()  # leaves in one write with the answer to the upgrade
        session.client = self._welcome(session)
        return session, first

    def forget(self, session: Session, reason: str) -> None:
        """The session has ended."""
        self.sessions.pop(session.sid, None)
        self.wheel.remove(session)
        self.counters.closed[reason] += 1

    def keep_farewell(self, sid: str, packets: list[Packet]) -> None:
        """Keep the last packets of a closed session for the polls that still come."""
        self._farewells.keep(sid, packets, self.time())

    def take_farewell(self, sid: str) -> bytes | None:
        """What answers a poll of a closed session, if there is anything left to say."""
        return self._farewells.take(sid)

    async def close(self, spread: float = 0.0) -> None:
        """Close every session, evenly over `spread` seconds, and wait until their WebSockets are gone."""
        self.closing = True
        sessions = list(self.sessions.values())
        steps = max(1, math.ceil(spread / CLOSE_STEP))
        for step in range(steps):
            for session in sessions[step::steps]:
                session.close(SHUTTING_DOWN)
            if step + 1 < steps:
                await asyncio.sleep(spread / steps)
        self.outgoing.flush()
        await self.hall.empty()
        self.wheel.stop()

    async def _start(self, app: web.Application) -> None:
        loop = asyncio.get_running_loop()
        self.time, self.outgoing.call_soon = loop.time, loop.call_soon

    async def _stop(self, app: web.Application) -> None:
        await self.close()


def _not_started(*_: object) -> float:
    raise RuntimeError("the application this server is attached to has not been started")
