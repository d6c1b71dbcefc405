"""The composition root: the one place that names concrete adapters, and the process around them.

`build` puts a server together from the inside out: the calls and the ways to the phones, the edge that phones see, what
the process measures of itself, HTTP.
"""

import asyncio
from collections.abc import Callable

import structlog
import uvloop
from aiohttp import web
from msgspec import Struct

from onlycare_socket.adapters.absent import AbsentBackend, AbsentPush
from onlycare_socket.adapters.authentication import authentication
from onlycare_socket.adapters.storage import storage
from onlycare_socket.application import Application
from onlycare_socket.auditor import Auditor
from onlycare_socket.calls.terms import Terms
from onlycare_socket.clock import Clock, SystemClock
from onlycare_socket.collector import Collector
from onlycare_socket.config import Settings
from onlycare_socket.connecting import Entrance
from onlycare_socket.http_api import Access, Condition, HttpApi
from onlycare_socket.instruments import Sources, show
from onlycare_socket.limits import ConnectBudget, EventBudget
from onlycare_socket.metrics import Metrics
from onlycare_socket.pauses import Buckets, GcPauses, LoopLag
from onlycare_socket.ports import Authenticator, Backend, Storage
from onlycare_socket.presence import Presence
from onlycare_socket.process import Ending, hold_standard_files
from onlycare_socket.pulse import Pulse
from onlycare_socket.socket_api import SocketApi
from onlycare_socket.sockets import NodeSockets
from onlycare_socket.supervisor import Supervisor
from onlycare_socket.switchboard import Switchboard
from onlycare_socket.transport.listener import Listener
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.server import SocketServer

STOP_SLACK = 2.5
"""Seconds that stopping may take beside the spread of the closing of connections."""

CONNECTS, CONNECTS_AT_ONCE = 500.0, 10_000
"""Connects of one address a second, and at once: all phones behind one carrier come back together after a restart,
and the app gives up when it was turned away for 17 s."""

AUTH_BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds that a question about a token may take."""

log = structlog.get_logger("onlycare_socket")


class Core(Struct, frozen=True, kw_only=True):
    """The calls of a node and the ways to its phones: what stands behind every edge."""

    clock: Clock
    authenticator: Authenticator
    storage: Storage
    sockets: NodeSockets
    switchboard: Switchboard


class Edge(Struct, frozen=True, kw_only=True):
    """The side that phones see."""

    server: SocketServer
    presence: Presence
    budget: EventBudget
    entrance: Entrance
    api: SocketApi


class Vitals(Struct, frozen=True, kw_only=True):
    """What the process does and measures of itself."""

    pulse: Pulse
    lag: LoopLag
    gc: GcPauses
    collector: Collector
    auditor: Auditor
    auth_seconds: Buckets


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    authenticator: Authenticator | None = None,
    backend: Backend | None = None,
) -> Application:
    """Returns a server that has not started yet. Tests pass a clock that they set, and outside systems of theirs."""
    auth_seconds = Buckets(AUTH_BOUNDS)
    core = _core(settings, clock or SystemClock(), authenticator, auth_seconds, backend or AbsentBackend())
    edge = _edge(settings, core)
    vitals = _vitals(settings, core, edge, auth_seconds)
    condition = Condition(core.clock.monotonic())
    condition.trouble = core.storage.trouble
    http = _http(settings, core, edge, vitals, condition)
    return Application(
        settings=settings,
        listener=Listener(http, settings.host, settings.port, sockets=edge.server),
        server=edge.server,
        entrance=edge.entrance,
        condition=condition,
        storage=core.storage,
        authenticator=core.authenticator,
        switchboard=core.switchboard,
        presence=edge.presence,
        pulse=vitals.pulse,
        lag=vitals.lag,
        gc_pauses=vitals.gc,
        collector=vitals.collector,
    )


def _core(
    settings: Settings, clock: Clock, authenticator: Authenticator | None, auth_seconds: Buckets, backend: Backend
) -> Core:
    terms = _terms(settings)
    stored = storage(settings, clock, terms)
    sockets = NodeSockets(clock)
    authenticator = authenticator or authentication(settings, clock, stored.facts, sockets, auth_seconds.observe)
    switchboard = Switchboard(
        store=stored.store,
        log=stored.log,
        sockets=sockets,
        directory=sockets,
        bus=sockets,
        push=AbsentPush(can_wake=settings.auth == "laravel"),
        backend=backend,
        terms=terms,
        clock=clock,
        agora_app_id=settings.agora_app_id,
    )
    return Core(clock=clock, authenticator=authenticator, storage=stored, sockets=sockets, switchboard=switchboard)


def _edge(settings: Settings, core: Core) -> Edge:
    server = SocketServer(_options(settings))
    presence = Presence(
        sockets=core.sockets,
        broadcast=server.broadcast,
        scope=settings.presence_scope,
        limit=settings.presence_all_limit,
        clock=core.clock,
        facts=core.storage.facts,
    )
    budget = EventBudget(settings.rate_limit)
    entrance = Entrance(
        authenticator=core.authenticator,
        sockets=core.sockets,
        switchboard=core.switchboard,
        presence=presence,
        budget=ConnectBudget(settings.trusted_proxies, per_second=CONNECTS, burst=CONNECTS_AT_ONCE),
        clock=core.clock,
    )
    api = SocketApi(
        switchboard=core.switchboard,
        store=core.storage.store,
        log=core.storage.log,
        directory=core.sockets,
        presence=presence,
        budget=budget,
        clock=core.clock,
    )
    entrance.open(server.namespace())
    api.register(server.namespace())
    return Edge(server=server, presence=presence, budget=budget, entrance=entrance, api=api)


def _vitals(settings: Settings, core: Core, edge: Edge, auth_seconds: Buckets) -> Vitals:
    collector = Collector()
    auditor = Auditor(store=core.storage.store, log=core.storage.log, switchboard=core.switchboard, clock=core.clock)
    pulse = Pulse([core.switchboard.sweep, edge.presence.sweep, collector.sweep, auditor.beat])
    edge.server.watch_heartbeats(pulse.took.timed)
    return Vitals(
        pulse=pulse,
        lag=LoopLag(settings.loop_lag_ms / 1000),
        gc=GcPauses(),
        collector=collector,
        auditor=auditor,
        auth_seconds=auth_seconds,
    )


def _http(settings: Settings, core: Core, edge: Edge, vitals: Vitals, condition: Condition) -> web.Application:
    access = Access(_secrets(settings), open_on_loopback=settings.api_open_on_loopback)
    metrics = Metrics()
    show(
        metrics,
        Sources(
            server=edge.server,
            sockets=core.sockets,
            storage=core.storage,
            switchboard=core.switchboard,
            api=edge.api,
            entrance=edge.entrance,
            presence=edge.presence,
            budget=edge.budget,
            authenticator=core.authenticator,
            access=access,
            auditor=vitals.auditor,
            sweeps=vitals.pulse.took,
            lag=vitals.lag.late,
            gc=vitals.gc.pauses,
            auth_seconds=vitals.auth_seconds,
        ),
    )
    http = HttpApi(
        access=access,
        condition=condition,
        switchboard=core.switchboard,
        store=core.storage.store,
        log=core.storage.log,
        facts=core.storage.facts,
        sockets=core.sockets,
        authenticator=core.authenticator,
        clock=core.clock,
        metrics=metrics.page,
        test_page=settings.test_client,
    ).application()
    edge.server.attach(http)
    return http


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


def serve(settings: Settings, supervisor: Supervisor) -> int:
    """Serves until SIGTERM or SIGINT, and returns the exit code.

    Raises OSError when the port cannot be had, and StorageError when the calls cannot be kept.
    A second signal ends the process on the spot, and so does a stop that takes too long.
    """
    hold_standard_files()
    ending = Ending(settings.drain_spread + STOP_SLACK)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(build, settings, ending, supervisor))
    ending.over()
    return 0


async def _serve(
    make: Callable[[Settings], Application], settings: Settings, ending: Ending, supervisor: Supervisor
) -> None:
    ending.heed()
    application = make(settings)
    await application.start()
    application.collector.start()
    supervisor.ready(application.address)
    await ending.asked_for()
    log.info("stopping")
    supervisor.stopping()
    await application.stop()
    supervisor.close()
    log.info("stopped")
