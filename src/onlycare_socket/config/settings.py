"""Every setting of the server in one typed class.

A field is the lower-case name of its environment variable (`RING_TIMEOUT` is `ring_timeout`). Its type,
limits, unit and description stand beside it: `docs/settings.md`, `.env.example` and the error messages are
made from them, so that none can say something else.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from onlycare_socket.config.api_secret import DEVELOPMENT_SECRET, secret_problem

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def setting(
    says: str,
    *,
    unit: str = "",
    ge: float | None = None,
    le: float | None = None,
    default: str = "",
    example: str = "",
    secret: bool = False,
    section: str = "",
) -> msgspec.Meta:
    """Describes one field: what it does, its unit and its limits.

    `default` is said in the documents instead of the default's value; `section` opens a new heading there.
    """
    extra = {"unit": unit, "default": default, "example": example, "secret": secret, "section": section}
    return msgspec.Meta(description=says, ge=ge, le=le, extra=extra)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one server process, checked and complete. Made by `config.load`."""

    port: Annotated[
        int,
        setting("Port to listen on. 0 takes any free one.", ge=0, le=65_535, section="Where the server listens"),
    ] = 3001
    host: Annotated[
        str,
        setting("Address to listen on. Keep it on loopback and put nginx in front."),
    ] = "127.0.0.1"
    trusted_proxies: Annotated[
        tuple[Network, ...],
        setting(
            "Proxies whose `X-Forwarded-For` is believed, as addresses or networks, separated by commas.",
            default="127.0.0.0/8,::1/128",
            example="127.0.0.0/8,10.1.0.0/16",
        ),
    ] = LOOPBACK
    allowed_origins: Annotated[
        tuple[str, ...],
        setting(
            "Web pages on other hosts that may connect, as origins separated by commas. `*` allows every "
            "page, `null` a page opened from disk. Phones send no origin and always may.",
            example="https://app.example.com,https://admin.example.com",
        ),
    ] = ()

    laravel_api_url: Annotated[
        str | None,
        setting(
            "Address of the OnlyCare backend, with or without `/api/v1` at its end.",
            example="https://api.example.com",
            section="The backend and who may connect",
        ),
    ] = None
    laravel_api_secret: Annotated[
        tuple[str, ...],
        setting(
            "Secret of the backend and of operators for `/api` and `/metrics`, at least 16 characters. While "
            "it is being changed, two may be given, separated by a comma. Unset, short or well known, it closes "
            "what needs it.",
            secret=True,
        ),
    ] = ()
    api_open_on_loopback: Annotated[
        bool,
        setting(
            "Answers a plain GET of `/api/users` and `/api/connected-users` from this machine without the "
            "secret, as the deployed Laravel code expects."
        ),
    ] = True
    auth: Annotated[
        Literal["laravel", "jwt", "static"],
        setting(
            "How a phone's token is checked: by asking the backend, as a signed JWT, or, with `--dev` only, "
            "not at all.",
            default="laravel when LARAVEL_API_URL is set; static with --dev",
        ),
    ] = "laravel"
    laravel_concurrency: Annotated[
        int,
        setting(
            "With `AUTH=laravel`: how many tokens are asked about at one time; the others wait their turn. About as "
            "many as the backend has workers to spare when every phone comes back at once.",
            unit="requests",
            ge=1,
            le=1000,
        ),
    ] = 64
    jwt_secret: Annotated[
        str | None,
        setting("With `AUTH=jwt`: the HS256 key, at least 32 bytes. Either this or JWT_PUBLIC_KEY.", secret=True),
    ] = None
    jwt_public_key: Annotated[
        str | None,
        setting(
            "With `AUTH=jwt`: the RS256 public key as PEM text, or the path of a PEM file.",
            example="/etc/onlycare-socket/jwt.pem",
        ),
    ] = None
    jwt_issuer: Annotated[str | None, setting("With `AUTH=jwt`: the `iss` a token must have.")] = None
    jwt_audience: Annotated[str | None, setting("With `AUTH=jwt`: the `aud` a token must have.")] = None

    ring_timeout: Annotated[
        float,
        setting("How long a call rings before it ends.", unit="seconds", ge=1, le=600, section="Calls"),
    ] = 30.0
    caller_grace: Annotated[
        float,
        setting(
            "How long a call rings on after the caller's last connection is gone.",
            unit="seconds",
            ge=0,
            le=300,
        ),
    ] = 15.0
    call_grace: Annotated[
        float,
        setting(
            "How long an accepted call lives on when neither party is connected.",
            unit="seconds",
            ge=1,
            le=3600,
        ),
    ] = 120.0
    max_call_duration: Annotated[float, setting("Longest accepted call.", unit="seconds", ge=60, le=86_400)] = 14_400.0
    ended_calls: Annotated[
        int,
        setting("How many ended calls are kept in memory, the newest, for late answers.", ge=100, le=1_000_000),
    ] = 20_000
    agora_app_id: Annotated[
        str | None, setting("Sent to a ringing phone as `agoraAppId`. Unset, the field is left out.")
    ] = None

    presence_scope: Annotated[
        Literal["all", "watched", "off"],
        setting(
            "Who is told that a user came online or went offline: everybody, only those who watch that user, "
            "or nobody.",
            section="Presence",
        ),
    ] = "all"
    presence_all_limit: Annotated[
        int,
        setting("Above this many users online, `all` becomes `watched`.", unit="users", ge=0, le=1_000_000),
    ] = 1000

    rate_limit: Annotated[
        int,
        setting(
            "Events a minute one user may send over all connections. 0 turns the limit off.",
            unit="events a minute",
            ge=0,
            le=1_000_000,
            section="Limits and the connection",
        ),
    ] = 100
    session_packets: Annotated[
        int,
        setting(
            "Packets one connection may send within 10 seconds, answers to pings included, before it is closed. "
            "0 turns the limit off.",
            unit="packets",
            ge=0,
            le=10_000_000,
        ),
    ] = 1000
    max_payload: Annotated[int, setting("Largest message a client may send.", unit="bytes", ge=1024, le=1_048_576)] = (
        65_536
    )
    ping_interval: Annotated[float, setting("Time between two heartbeats.", unit="seconds", ge=1, le=300)] = 25.0
    ping_timeout: Annotated[
        float, setting("How long a heartbeat may stay unanswered.", unit="seconds", ge=1, le=300)
    ] = 20.0
    connect_timeout: Annotated[
        float, setting("How long an open connection may go without a CONNECT.", unit="seconds", ge=1, le=120)
    ] = 10.0
    drain_spread: Annotated[
        float,
        setting("A stopping server closes its connections over this time.", unit="seconds", ge=0, le=60),
    ] = 2.0
    websocket_engine: Annotated[
        Literal["picows", "aiohttp"],
        setting("Library that carries the WebSockets. picows is the faster one."),
    ] = "picows"

    store: Annotated[
        str,
        setting(
            "Where calls are kept: a SQLite file, `sqlite:///relative` or `sqlite:////absolute`, which survives "
            "restarts and kill -9, or `memory`, which a restart forgets.",
            default="sqlite:////var/lib/onlycare-socket/calls.db; sqlite:///data/calls.db with --dev",
            example="sqlite:////var/lib/onlycare-socket/calls.db",
            section="State and push",
        ),
    ] = "memory"
    store_sync: Annotated[
        Literal["normal", "full"],
        setting(
            "With a SQLite file: `full` waits for the disk at every commit, so that a power cut loses nothing either; "
            "`normal` may lose the last commits in a power cut, and in no other case."
        ),
    ] = "normal"
    redis_url: Annotated[
        str | None, setting("Address of Redis for several servers. Not in this version.", secret=True)
    ] = None
    push: Annotated[
        Literal["none", "fcm", "webhook"],
        setting("Who wakes a phone that is not connected. This version has `none`: the backend does it."),
    ] = "none"

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        setting("The least important kind of line that is logged.", section="Logs and the test page"),
    ] = "info"
    log_file: Annotated[
        str | None,
        setting(
            "File that the log is appended to, instead of standard error. When it is moved away, as logrotate does, "
            "the next line makes it anew."
        ),
    ] = None
    log_format: Annotated[
        Literal["auto", "json", "text"],
        setting("`auto` writes text on a terminal and JSON elsewhere.", default="auto; text with --dev"),
    ] = "auto"
    loop_lag_ms: Annotated[
        int,
        setting(
            "How often it is measured how late the event loop is, for `/metrics`. 10 gives a good p99.9 within a "
            "minute and costs a third of a percent of a core.",
            unit="milliseconds",
            ge=1,
            le=10_000,
        ),
    ] = 250
    test_client: Annotated[
        bool, setting("Serves the browser phone at `/test-client`.", default="false; true with --dev")
    ] = False

    dev: bool = False
    """Development server: set by `serve --dev` alone, never by the environment."""

    @property
    def api_secret_problem(self) -> str | None:
        """Says why the operators' secret cannot be used (what needs it is closed then), or None."""
        if not self.laravel_api_secret:
            return "LARAVEL_API_SECRET is not set"
        if self.dev and self.laravel_api_secret == (DEVELOPMENT_SECRET,):
            return None
        for place, secret in zip(("first", "second"), self.laravel_api_secret, strict=False):
            if problem := secret_problem(secret):
                which = "" if len(self.laravel_api_secret) == 1 else f": the {place} of the two"
                return f"LARAVEL_API_SECRET{which} {problem}"
        return None

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"Settings({shown})"

    def __rich_repr__(self) -> Any:
        """Yields every field and its value, secrets as stars."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            yield name, "***" if name in SECRETS and value else value


def _secrets() -> frozenset[str]:
    hints = get_type_hints(Settings, include_extras=True).items()
    metas = ((name, getattr(hint, "__metadata__", ())) for name, hint in hints)
    return frozenset(name for name, meta in metas if meta and meta[0].extra["secret"])


SECRETS = _secrets()
"""Fields whose values are never shown."""
