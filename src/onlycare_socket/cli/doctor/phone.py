"""A whole CONNECT, as an app makes it, and what a refusal means."""

from typing import Final

from onlycare_socket.cli.doctor import handshake
from onlycare_socket.cli.doctor.exchange import Http
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, shown

_REFUSALS: Final = {
    "Authentication required": "token or user id did not arrive: look for a proxy that changes what is sent",
    "Invalid token": "the server's backend does not know the token, or knows it as another user's: see `laravel token`",
    "Authentication failed": "token or user id are not of a form that is taken: see that both are whole",
}
"""What to do about the server's refusals (contract section 1)."""


async def connects(http: Http, name: str, url: str, token: str, user: str) -> Finding:
    """Whether the server lets a user in."""
    reason = await handshake.connect(http, url, token, user)
    if reason is None:
        return ok(name, f"user {shown(user)} was let in")
    if reason.kind == "refused":
        advice = _REFUSALS.get(reason.text, "look at the server's log")
        return fail(name, f"the server refused user {shown(user)}: {reason.text}", advice)
    if reason.kind in ("closed", "silent"):
        advice = "its backend is slow or down, as the server sees it: look at its log, and that it has these settings"
        return fail(name, reason.text, advice)
    return fail(name, reason.text, "see the lines above")
