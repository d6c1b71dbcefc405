"""The certificate of a site as a phone sees it: valid, for how long, over which protocol."""

import asyncio
import socket
import ssl
import time
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp.abc import ResolveResult

from onlycare_socket.cli.doctor.exchange import TIME, TROUBLES, Http, Trouble, trouble
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, shown, skipped, warn

FEW_DAYS: Final = 14
"""certbot renews 30 days before the end: with so few left it has failed several times."""
_DAY: Final = 86_400

_ADVICE: Final = {
    9: "correct this machine's clock, or the certificate",
    10: "renew it: `certbot renew`, then `systemctl reload nginx`",
    18: "get one that phones trust: `certbot --nginx`",
    19: "get one that phones trust: `certbot --nginx`",
    20: "serve the whole chain: ssl_certificate must name fullchain.pem",
    21: "serve the whole chain: ssl_certificate must name fullchain.pem",
    62: "use the name that the certificate is for, or get one for this name",
    64: "use the name that the certificate is for: it is not for a bare address",
}
"""What to do, by OpenSSL's number of what is wrong (X509_V_ERR_...)."""


async def certificate(http: Http, name: str, url: str) -> Finding:
    """Whether phones trust the TLS of a site, and for how many days."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return skipped(name, f"{url} is not https", "see that nobody but this machine is on the way there")
    try:
        async with asyncio.timeout(TIME):
            return _judged(name, await _shake_hands(http, parts.hostname or "", parts.port or 443))
    except TROUBLES as error:
        return _refused(name, trouble(error, url, TIME))


async def _shake_hands(http: Http, host: str, port: int) -> ssl.SSLObject:
    """Returns the TLS side of a connection that was good. Raises OSError."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    error: OSError = ConnectionRefusedError()
    for address in await http.names.resolve(host, port):
        try:
            return await _to(address, context)
        except ssl.SSLError:
            raise
        except OSError as failed:
            error = failed
    raise error


async def _to(address: ResolveResult, context: ssl.SSLContext) -> ssl.SSLObject:
    _, writer = await asyncio.open_connection(
        address["host"],
        address["port"],
        ssl=context,
        server_hostname=address["hostname"],
        family=address["family"],
        flags=socket.AI_NUMERICHOST,
    )
    try:
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return found
    finally:
        writer.transport.abort()


def _judged(name: str, seen: ssl.SSLObject) -> Finding:
    certificate: dict[str, Any] = seen.getpeercert() or {}
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // _DAY)
    left = f"{days} {'day' if days == 1 else 'days'}"
    speaks = f"{seen.version()}, {'HTTP/2' if seen.selected_alpn_protocol() == 'h2' else 'HTTP/1.1'}"
    if days < FEW_DAYS:
        advice = "see why it was not renewed: `certbot renew --dry-run`, `systemctl list-timers certbot.timer`"
        return warn(name, f"it is valid, but for {left} only ({speaks})", advice)
    return ok(name, f"it is valid for {left} ({speaks})")


def _refused(name: str, problem: Trouble) -> Finding:
    advice = _ADVICE.get(problem.verify_code, "look at the server block of that name in nginx: listen 443 ssl")
    return fail(name, shown(problem.text), advice)
