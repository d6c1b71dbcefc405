"""The list of everything that `/metrics` shows, and where each number comes from."""

from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from onlycare_socket import __version__
from onlycare_socket.auditor import Auditor
from onlycare_socket.compiled import COMPILED
from onlycare_socket.connecting import Entrance
from onlycare_socket.http_api import Access
from onlycare_socket.limits import EventBudget
from onlycare_socket.metrics import Metrics, by_two_words, by_word
from onlycare_socket.pauses import Buckets
from onlycare_socket.ports import Authenticator, Storage
from onlycare_socket.presence import Presence
from onlycare_socket.socket_api import SocketApi
from onlycare_socket.sockets import NodeSockets
from onlycare_socket.switchboard import Switchboard
from onlycare_socket.transport.server import SocketServer

ENDED = "ended:"
"""How the switchboard's counts of ended calls begin; the code follows."""

AUTH_COUNTERS = {
    "misses": "CONNECTs for whose token no verdict was at hand.",
    "joined": "CONNECTs that shared the question of another with the same token.",
    "delayed": "Questions held back because their address had failed before.",
    "unavailable": "CONNECTs that got no verdict.",
}


class Sources(Struct, frozen=True, kw_only=True):
    """Who owns the numbers."""

    server: SocketServer
    sockets: NodeSockets
    storage: Storage
    switchboard: Switchboard
    api: SocketApi
    entrance: Entrance
    presence: Presence
    budget: EventBudget
    authenticator: Authenticator
    access: Access
    auditor: Auditor
    sweeps: Buckets
    lag: Buckets
    gc: Buckets
    auth_seconds: Buckets


def show(metrics: Metrics, of: Sources) -> None:
    """Registers every number."""
    _show_users(metrics, of)
    _show_calls(metrics, of)
    _show_entrance(metrics, of)
    _show_transport(metrics, of.server)
    _show_pauses(metrics, of)
    metrics.gauges(
        "build_info",
        "Always 1; the labels say which version runs, and whether its hot path is compiled.",
        ("version", "compiled"),
        lambda: {(__version__, str(COMPILED).lower()): 1},
    )


def _show_pauses(metrics: Metrics, of: Sources) -> None:
    metrics.histogram("loop_lag_seconds", "How late the event loop was for a timer, every LOOP_LAG_MS.", of.lag)
    metrics.histogram("gc_pause_seconds", "How long the garbage collector stopped the process.", of.gc)
    metrics.histogram(
        "sweep_seconds",
        "How long one round of deadlines, of presence or of heartbeats stopped the event loop.",
        of.sweeps,
    )


def _show_users(metrics: Metrics, of: Sources) -> None:
    metrics.gauge("users_online", "Users with a live socket.", lambda: of.sockets.user_count)
    metrics.gauge("connections", "Live sockets of known users.", lambda: of.sockets.connection_count)
    metrics.gauge("presence_watches", "Users watched, once per watching device.", lambda: of.presence.watch_count)
    metrics.gauge(
        "presence_narrowed",
        "1 while more users are online than everybody is told of, so that only those who watch are told.",
        lambda: of.presence.narrowed,
    )
    metrics.counters(
        "presence_changes",
        "Users who came online or went offline, as others were told.",
        ("event",),
        lambda: by_word({"user:online": of.presence.told_online, "user:offline": of.presence.told_offline}),
    )


def _show_calls(metrics: Metrics, of: Sources) -> None:
    metrics.gauge("calls_live", "Calls that ring or are talked in.", of.storage.log.live_count)
    metrics.counters("calls_ended", "Calls by how they ended.", ("code",), lambda: by_word(_ended(of.switchboard)))
    metrics.histogram(
        "commit_seconds", "How long one commit of the file of calls took, beside the loop.", of.storage.commit_seconds
    )
    metrics.gauge("store_degraded", "1 while calls are not kept as promised.", lambda: of.storage.trouble() is not None)
    metrics.counter("commit_failures", "Commits of the file of calls that failed.", of.storage.failures)
    metrics.counters(
        "switchboard",
        "What the switchboard did: rings by socket and by push, phones that were silent, store failures.",
        ("what",),
        lambda: by_word({key: count for key, count in of.switchboard.counts.items() if not key.startswith(ENDED)}),
    )
    metrics.counter("audits", "Rounds of the auditor, who looks at all live calls.", lambda: of.auditor.rounds)
    metrics.counters(
        "audit_findings",
        "What the auditor found that must never be, and had repaired.",
        ("flaw",),
        lambda: by_word(of.auditor.found),
    )
    metrics.counters(
        "events",
        "Events of clients by name, and how they were answered: ok, offline, or the code of the refusal.",
        ("event", "result"),
        lambda: by_two_words(of.api.results),
    )
    metrics.counter("events_over_budget", "Events beyond a user's budget.", lambda: of.budget.refused)


def _ended(switchboard: Switchboard) -> dict[str, float]:
    return {key.removeprefix(ENDED): count for key, count in switchboard.counts.items() if key.startswith(ENDED)}


def _show_entrance(metrics: Metrics, of: Sources) -> None:
    def facts(name: str) -> Mapping[str, float]:
        found = of.authenticator.health().get(name)
        return found if isinstance(found, dict) else {}

    metrics.counters("connects", "CONNECTs by how they went.", ("outcome",), lambda: by_word(of.entrance.outcomes))
    metrics.counters(
        "auth_requests", "Questions to the backend about tokens.", ("outcome",), lambda: by_word(facts("requests"))
    )
    for name, says in AUTH_COUNTERS.items():
        metrics.counters(f"auth_{name}", says, (), partial(_if_told, of.authenticator, name))
    metrics.histogram(
        "auth_request_seconds", "How long the backend took for a question about a token.", of.auth_seconds
    )
    metrics.counters(
        "auth_rechecks",
        "Questions about tokens that were let in unasked after the start, by outcome.",
        ("outcome",),
        lambda: by_word(facts("rechecks")),
    )
    metrics.gauges(
        "auth_rechecks_pending",
        "Such questions that are still to be put or answered.",
        (),
        partial(_if_told, of.authenticator, "rechecksPending"),
    )
    metrics.gauges(
        "auth_taken_up",
        "Verdicts of the former process that were known at the start.",
        (),
        partial(_if_told, of.authenticator, "takenUp"),
    )
    metrics.counters("auth_remembered", "Verdicts that were used again.", ("verdict",), lambda: by_word(facts("hits")))
    metrics.gauges(
        "auth_backend_up",
        "1 when the backend verified, or refused, the last token it was asked about.",
        (),
        lambda: _backend_up(of.authenticator),
    )
    metrics.counter("http_unauthorized", "HTTP requests without the secret they need.", lambda: of.access.refused)


def _if_told(authenticator: Authenticator, name: str) -> dict[tuple[str, ...], float]:
    """A number that not every authenticator has."""
    number = authenticator.health().get(name)
    return {(): float(number)} if isinstance(number, int | float) else {}


def _backend_up(authenticator: Authenticator) -> dict[tuple[str, ...], float]:
    backend = authenticator.health().get("backend")
    return {} if backend is None else {(): float(backend == "ok")}


def _show_transport(metrics: Metrics, server: SocketServer) -> None:
    counters = server.counters
    metrics.gauge("sessions", "Open Engine.IO sessions, with and without a user.", lambda: server.sessions)
    metrics.counter("sessions_opened", "Engine.IO sessions opened.", lambda: counters.sessions_opened)
    metrics.counters("sessions_closed", "Closed sessions by reason.", ("reason",), lambda: by_word(counters.closed))
    metrics.counters("requests_refused", "Refused requests by reason.", ("reason",), lambda: by_word(counters.refused))
    metrics.counter("upgrades", "Sessions that went from polling to WebSocket.", lambda: counters.upgrades)
    metrics.counter("polls", "Long polls.", lambda: counters.polls)
    metrics.counters(
        "packets",
        "Engine.IO packets.",
        ("direction",),
        lambda: by_word({"in": counters.packets_in, "out": counters.packets_out}),
    )
    metrics.counters(
        "packet_bytes",
        "Bytes of Engine.IO packets.",
        ("direction",),
        lambda: by_word({"in": counters.bytes_in, "out": counters.bytes_out}),
    )
