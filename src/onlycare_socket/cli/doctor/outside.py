"""The server as phones see it: through nginx, by its public address."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from onlycare_socket import __version__
from onlycare_socket.cli.doctor import handshake, nginx
from onlycare_socket.cli.doctor.exchange import REDIRECTS, Answer, Http, Trouble
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, shown, skipped, warn
from onlycare_socket.cli.doctor.handshake import Reason
from onlycare_socket.cli.doctor.subject import Subject

GUARDED: Final = ("/api/connected-users", "/api/calls", "/metrics", "/ready")
"""What nobody outside may reach, secret or not."""
STRANGER: Final = "https://doctor.invalid"
"""The origin of a page that nobody allows."""

_INCLUDE: Final = "include snippets/onlycare-socket-locations.conf in the server block of this name"
_UPSTREAM: Final = "see that the server runs, and that nginx's upstream onlycare_socket names its port"


async def reach(http: Http, url: str) -> Answer | Trouble:
    """Asks for what nginx passes on as the server's health."""
    return await http.ask(f"{url}/socket-health")


def health(url: str, answer: Answer | Trouble) -> Finding:
    """Whether nginx passes /socket-health to the server."""
    name = "public health"
    if isinstance(answer, Trouble) and answer.kind == "tls":
        return skipped(name, "no TLS connection comes about", "see `certificate`")
    if isinstance(answer, Trouble):
        return fail(name, f"{url}: {answer.text}", "look at nginx, the firewall, and the DNS entry of that name")
    if answer.status != 200 or "connectedUsers" not in answer.fields:
        return fail(name, f"{url}/socket-health answers {answer}", _by_status(answer.status))
    version = shown(answer.fields.get("version", "none, as of the old Node server"))
    if version != __version__:
        advice = (
            "if the switch is meant to be done: change upstream onlycare_socket, then `nginx -t && nginx -s reload`"
        )
        return warn(name, f"the version behind nginx is {version}, not {__version__}", advice)
    return ok(name, f"{url}/socket-health leads to version {version}")


async def guarded(http: Http, url: str) -> Finding:
    """Whether anything else of the server can be reached from outside."""
    name = "public api"
    answers = await asyncio.gather(*(http.ask(f"{url}{path}") for path in GUARDED))
    open_ones = [
        path if answer.status != 200 or path == "/ready" else f"{path} (without the secret)"
        for path, answer in zip(GUARDED, answers, strict=True)
        if isinstance(answer, Answer) and _is_of_the_server(answer)
    ]
    if open_ones:
        return fail(
            name,
            f"REACHABLE FROM OUTSIDE: {', '.join(open_ones)}",
            "remove that location from nginx at once: only /socket.io/ and /socket-health may lead to the server",
        )
    return ok(name, f"{', '.join(GUARDED)} lead nowhere")


async def redirect(http: Http, url: str) -> Finding:
    """Whether plain HTTP is sent on to HTTPS, above all where a phone would send its token."""
    name = "http to https"
    parts = urlsplit(url)
    if parts.scheme != "https":
        return fail(name, f"{url} is not encrypted: tokens could be read on the way", "give phones an https address")
    if parts.port not in (None, 443):
        return skipped(name, f"port {parts.port} is not the one of https", "look at it by hand")
    plain = f"http://{parts.netloc.removesuffix(':443')}"
    answer = await http.ask(f"{plain}/socket.io/?EIO=4&transport=polling")
    if isinstance(answer, Trouble):
        advice = "open port 80: certbot renews by it, and nginx redirects from it"
        return warn(name, f"{plain}: {answer.text}", advice)
    if answer.status in REDIRECTS and answer.place.startswith("https://"):
        return ok(name, f"{plain} is sent on to {answer.place.partition('/socket.io')[0]}")
    if answer.body.startswith(b"0{"):
        advice = "let the server block of port 80 redirect everything to https"
        return fail(name, f"{plain}/socket.io/ serves phones unencrypted", advice)
    return warn(name, f"{plain} answers {answer}", "let the server block of port 80 redirect to https")


async def polling(http: Http, url: str) -> Finding:
    """Whether a phone can begin through nginx."""
    reason = await handshake.poll(http, url)
    if reason:
        return fail("public polling", reason.text, _advice(reason))
    return ok("public polling", "a session opens by long polling through nginx")


async def websocket(http: Http, url: str) -> Finding:
    """Whether nginx passes upgrades on; if not, what its configuration lacks."""
    reason = await handshake.open_websocket(http, url)
    if reason is None:
        return ok("public websocket", "a session opens by WebSocket through nginx")
    if reason.kind == "no_upgrade":
        advice = await asyncio.to_thread(nginx.what_upgrades_lack)
        return fail("public websocket", "the server gets the request, but without its upgrade headers", advice)
    return fail("public websocket", reason.text, _advice(reason))


async def origins(http: Http, subject: Subject, url: str) -> Finding:
    """Which web pages may connect: those of the site itself must, those of strangers must not."""
    name, allowed = "origins", subject.settings.allowed_origins
    own, stranger = await asyncio.gather(handshake.poll(http, url, _origin(url)), handshake.poll(http, url, STRANGER))
    if own is not None and own.status == 403:
        return fail(
            name,
            f"a web page of {url} itself is refused: the server is not told under which name it was called",
            "nginx lacks `proxy_set_header Host $http_host;` in location /socket.io/; or set ALLOWED_ORIGINS",
        )
    if own is not None:
        return skipped(name, "no session opens at all", "see `public polling` or `polling`")
    if stranger is None and "*" in allowed:
        return warn(name, "ALLOWED_ORIGINS=* lets every web page connect", "list the pages that are to connect")
    if stranger is None:
        return warn(
            name, "the page of a stranger may connect, against ALLOWED_ORIGINS", "see `port`: is it this server?"
        )
    if "null" in allowed:
        return warn(
            name, "ALLOWED_ORIGINS lets pages opened from disk connect (null)", "remove null when tests are over"
        )
    listed = f" and {', '.join(allowed)}" if allowed else ""
    return ok(name, f"web pages of {url}{listed} may connect, others not; phones send no origin and always may")


def _origin(url: str) -> str:
    """Returns the origin of a page at this address, as a browser sends it."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix({'http': ':80', 'https': ':443'}[parts.scheme])}"


def _is_of_the_server(answer: Answer) -> bool:
    """Tells the server's answers, also its refusals, from those of another site on the same name."""
    fields = answer.fields
    if answer.status == 401 and fields == {"error": "Unauthorized"}:
        return True
    if fields:
        known: tuple[set[str], ...] = ({"ready"}, {"ready", "reason"}, {"count", "users"}, {"count", "calls"})
        return set(fields) in known
    return answer.status == 200 and b"\n# TYPE onlycare_" in answer.body


def _advice(reason: Reason) -> str:
    return "look at nginx's logs, in /var/log/nginx" if reason.kind == "trouble" else _by_status(reason.status)


def _by_status(status: int) -> str:
    if status in (502, 503, 504):
        return _UPSTREAM
    if status in REDIRECTS:
        return "let nginx not redirect /socket.io/ and /socket-health, or give the address it redirects to"
    return _INCLUDE
