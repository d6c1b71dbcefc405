"""The composition root: the one place that names concrete adapters.

Everything starts in the order written in `Application.start`, and stops in reverse. The port is opened last, and on the
way down the sockets and the port are closed first: who can connect finds everything there.
"""

import asyncio
from collections.abc import Callable

import structlog
import uvloop

from onlycare_socket import __version__
from onlycare_socket.adapters.absent import AbsentBackend, AbsentPush
from onlycare_socket.adapters.memory import MemoryCallLog, MemoryCallStore
from onlycare_socket.calls.draft import Terms
from onlycare_socket.clock import Clock, SystemClock
from onlycare_socket.config import Settings
from onlycare_socket.connecting import Entrance
from onlycare_socket.http_api import Access, Condition, HttpApi
from onlycare_socket.instruments import Sources, show
from onlycare_socket.limits import ConnectBudget, EventBudget, FailedAuthDelay
from onlycare_socket.metrics import Metrics
from onlycare_socket.ports import Authenticator, Backend
from onlycare_socket.presence import Presence
from onlycare_socket.process import Ending, hold_standard_files, tune_gc
from onlycare_socket.pulse import GcPauses, Pulse
from onlycare_socket.socket_api import SocketApi
from onlycare_socket.sockets import NodeSockets
from onlycare_socket.switchboard import Switchboard
from onlycare_socket.transport.listener import Listener
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.server import SocketServer

STOP_SLACK = 2.5
"""Seconds that stopping may take beside the spread of the closing of connections."""

CONNECTS, CONNECTS_AT_ONCE = 500.0, 10_000
"""Connects of one address a second, and at once: all phones behind one carrier come back together after a restart,
and the app gives up when it was turned away for 17 s."""

log = structlog.get_logger("onlycare_socket")


class Application:
    """A whole server, built by `build`. `port` is the real one once it has started."""

    def __init__(
        self,
        *,
        settings: Settings,
        listener: Listener,
        server: SocketServer,
        entrance: Entrance,
        condition: Condition,
        authenticator: Authenticator,
        switchboard: Switchboard,
        presence: Presence,
        pulse: Pulse,
        gc_pauses: GcPauses,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._server = server
        self._entrance = entrance
        self.condition = condition
        self.authenticator = authenticator
        self._gc_pauses = gc_pauses
        self._stopped = False
        self.switchboard = switchboard
        self.presence = presence
        self.pulse = pulse

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    async def start(self) -> None:
        """Opens for clients. Raises OSError when the port cannot be had, and then has stopped all it started."""
        try:
            self._gc_pauses.start()
            await self.authenticator.start()
            self.pulse.start()
            await self._listener.start()
        except BaseException:
            await self._stop_all_but_the_port()
            raise
        log.info("listening", address=self._address(), auth=self._settings.auth, version=__version__)

    @property
    def sessions(self) -> int:
        """Open Engine.IO sessions."""
        return self._server.sessions

    def drain(self) -> None:
        """Lets nobody in any more; who is here stays."""
        self.condition.draining = True
        self._entrance.closed = True

    async def stop(self) -> None:
        """Closes every connection without a word that would keep clients from coming back, then everything else."""
        if self._stopped:
            return
        self._stopped = True
        self.drain()
        await self._listener.stop(self._settings.drain_spread if self._server.sessions else 0.0)
        await self._stop_all_but_the_port()

    async def _stop_all_but_the_port(self) -> None:
        self.pulse.stop()
        await self.authenticator.stop()
        self._gc_pauses.stop()

    def _address(self) -> str:
        host = self._settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    authenticator: Authenticator | None = None,
    backend: Backend | None = None,
) -> Application:
    """Returns a server that has not started yet. Tests pass a clock that they set, and outside systems of theirs."""
    clock = clock or SystemClock()
    authenticator = authenticator or _authenticator(settings)
    store = MemoryCallStore(clock, settings.ended_calls)
    calls = MemoryCallLog(store)
    sockets = NodeSockets(clock)
    switchboard = Switchboard(
        store=store,
        log=calls,
        sockets=sockets,
        directory=sockets,
        bus=sockets,
        push=AbsentPush(can_wake=settings.auth == "laravel"),
        backend=backend or AbsentBackend(),
        terms=_terms(settings),
        clock=clock,
        agora_app_id=settings.agora_app_id,
    )
    server = SocketServer(_options(settings))
    presence = Presence(
        sockets=sockets,
        broadcast=server.broadcast,
        scope=settings.presence_scope,
        limit=settings.presence_all_limit,
        clock=clock,
    )
    budget = EventBudget(settings.rate_limit)
    entrance = Entrance(
        authenticator=authenticator,
        sockets=sockets,
        switchboard=switchboard,
        presence=presence,
        budget=ConnectBudget(settings.trusted_proxies, per_second=CONNECTS, burst=CONNECTS_AT_ONCE),
        clock=clock,
    )
    api = SocketApi(
        switchboard=switchboard,
        store=store,
        log=calls,
        directory=sockets,
        presence=presence,
        budget=budget,
        clock=clock,
    )
    entrance.open(server.namespace())
    api.register(server.namespace())

    access = Access(_secrets(settings), open_on_loopback=settings.api_open_on_loopback)
    condition = Condition(clock.monotonic())
    metrics = Metrics()
    http = HttpApi(
        access=access,
        condition=condition,
        switchboard=switchboard,
        store=store,
        log=calls,
        sockets=sockets,
        authenticator=authenticator,
        clock=clock,
        metrics=metrics.page,
        test_page=settings.test_client,
    ).application()
    server.attach(http)
    pulse = Pulse([switchboard.sweep, presence.sweep])
    gc_pauses = GcPauses()
    show(
        metrics,
        Sources(
            server=server,
            sockets=sockets,
            log=calls,
            switchboard=switchboard,
            api=api,
            entrance=entrance,
            presence=presence,
            budget=budget,
            authenticator=authenticator,
            access=access,
            pulse=pulse,
            gc=gc_pauses,
        ),
    )
    return Application(
        settings=settings,
        listener=Listener(http, settings.host, settings.port, sockets=server),
        server=server,
        entrance=entrance,
        condition=condition,
        authenticator=authenticator,
        switchboard=switchboard,
        presence=presence,
        pulse=pulse,
        gc_pauses=gc_pauses,
    )


def _authenticator(settings: Settings) -> Authenticator:
    """Imports what is used and nothing else: a process is smaller for it."""
    if settings.auth == "laravel":
        from onlycare_socket.adapters.laravel import LaravelAuthenticator, Patience

        return LaravelAuthenticator(
            settings.laravel_api_url or "",
            failed_auth=FailedAuthDelay(settings.trusted_proxies),
            patience=Patience(concurrent=settings.laravel_concurrency),
        )
    if settings.auth == "jwt":
        from onlycare_socket.adapters.jwt import JwtAuthenticator

        return JwtAuthenticator(
            secret=settings.jwt_secret,
            public_key=settings.jwt_public_key,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
    from onlycare_socket.adapters.static import StaticAuthenticator

    return StaticAuthenticator()


def _terms(settings: Settings) -> Terms:
    return Terms(
        ring_timeout=round(settings.ring_timeout * 1000),
        caller_grace=round(settings.caller_grace * 1000),
        call_grace=round(settings.call_grace * 1000),
        max_duration=round(settings.max_call_duration * 1000),
    )


def _options(settings: Settings) -> ServerOptions:
    origins = (*settings.allowed_origins, "null") if settings.dev else settings.allowed_origins
    return ServerOptions(
        ping_interval=settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        max_payload=settings.max_payload,
        packets_per_window=settings.session_packets,
        connect_timeout=settings.connect_timeout,
        allowed_origins=origins,
        trusted_proxies=settings.trusted_proxies,
        websocket_engine=settings.websocket_engine,
    )


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Returns the secrets that open what needs one: none when one of them is not a proper one (fail closed)."""
    return () if settings.api_secret_problem else settings.laravel_api_secret


# ---------------------------------------------------------------- the process


def serve(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, and returns the exit code. Raises OSError when the port cannot be had.

    A second signal ends the process on the spot, and so does a stop that takes too long.
    """
    hold_standard_files()
    ending = Ending(settings.drain_spread + STOP_SLACK)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(build, settings, ending))
    ending.over()
    return 0


async def _serve(make: Callable[[Settings], Application], settings: Settings, ending: Ending) -> None:
    ending.heed()
    application = make(settings)
    await application.start()
    tune_gc()
    await ending.asked_for()
    log.info("stopping")
    await application.stop()
    log.info("stopped")
