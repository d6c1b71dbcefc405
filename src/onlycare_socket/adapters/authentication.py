"""Who says whose token it is: the authenticator of a deployment, chosen by one setting."""

from collections.abc import Callable

from onlycare_socket.calls.ids import UserId
from onlycare_socket.clock import Clock
from onlycare_socket.config import Settings
from onlycare_socket.limits import FailedAuthDelay
from onlycare_socket.ports import Authenticator, Facts
from onlycare_socket.sockets import NodeSockets


def authentication(
    settings: Settings, clock: Clock, facts: Facts, sockets: NodeSockets, observe: Callable[[float], None]
) -> Authenticator:
    """Returns what the setting AUTH names; imports what is used and nothing else: a process is smaller for it.

    `observe` hears the seconds of requests to a backend.
    """
    if settings.auth == "laravel":
        return _laravel(settings, clock, facts, sockets, observe)
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


def _laravel(
    settings: Settings, clock: Clock, facts: Facts, sockets: NodeSockets, observe: Callable[[float], None]
) -> Authenticator:
    from onlycare_socket.adapters.laravel import LaravelAuthenticator, Patience
    from onlycare_socket.adapters.verdicts import TokenHash, token_hash

    def turn_out(user: UserId, token: TokenHash) -> None:
        """Closes what was let in unasked after the start; the phone comes back and is told why."""
        for connection in sockets.connections(user):
            if connection.bearer is not None and token_hash(connection.bearer) == token:
                connection.socket.close("token refused")

    laravel = LaravelAuthenticator(
        settings.laravel_api_url or "",
        facts=facts,
        failed_auth=FailedAuthDelay(settings.trusted_proxies),
        patience=Patience(concurrent=settings.laravel_concurrency),
        observe=observe,
        clock=clock.monotonic,
        wall=clock.wall,
    )
    laravel.revoked = turn_out
    return laravel
