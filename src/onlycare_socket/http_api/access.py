"""Who may ask what over HTTP (contract section 4).

- All of `/api` and `/metrics` need the secret, in `X-Internal-Secret` or as a Bearer; without a proper secret they
  are closed.
- The deployed backend sends none with its GETs of users. They are answered without it from this machine, if nothing
  suggests that a proxy carried the request here for somebody else. A wrong secret is refused there, too: it is a
  mistake that its sender must hear of.
- Everything else (`/health`, `/ready`, the test page, `/socket.io/`) is open.
"""

import hmac
import re
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

from aiohttp import HttpVersion11, hdrs, web

SECRET_HEADER = "X-Internal-Secret"

_OPEN_ON_LOOPBACK = re.compile(r"/api/(users|connected-users)(/|\Z)")
_PROXY_MARKS = frozenset({"forwarded", "x-real-ip", "via", "origin"})
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE | re.ASCII)


class Access:
    """Knows the secrets and says which requests pass."""

    def __init__(self, secrets: Sequence[str], *, open_on_loopback: bool) -> None:
        """`secrets` are proper ones only; none closes everything that needs one."""
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._open_on_loopback = open_on_loopback
        self.refused = 0

    def allows(self, request: web.Request) -> bool:
        """Says whether a request may be answered; counts those that may not."""
        if not needs_secret(request.path) or self._knows_secret(request):
            return True
        if self._open_on_loopback and is_local_question(request):
            return True
        self.refused += 1
        return False

    def _knows_secret(self, request: web.Request) -> bool:
        scheme, _, bearer = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        given = [request.headers.get(SECRET_HEADER, ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        # Every pair is compared, so that the time says nothing of which secret was near.
        matches = [
            hmac.compare_digest(text.encode("utf-8", "surrogateescape"), secret)
            for text in given
            for secret in self._secrets
        ]
        return any(matches)


def needs_secret(path: str) -> bool:
    """Says whether a path is guarded, found or not."""
    return path in ("/metrics", "/api") or path.startswith(("/api/", "/metrics/"))


def is_local_question(request: web.Request) -> bool:
    """Says whether this is a plain GET about users, made on this machine and not carried here by a proxy."""
    return (
        request.method == hdrs.METH_GET
        and SECRET_HEADER not in request.headers
        and hdrs.AUTHORIZATION not in request.headers
        and _OPEN_ON_LOOPBACK.match(request.path) is not None
        and request.version == HttpVersion11
        and _is_loopback(request.remote)
        and not any(_is_proxy_mark(name) for name in request.headers)
        and _is_local_host(request.headers.getall(hdrs.HOST, []))
    )


def _is_loopback(peer: str | None) -> bool:
    """True of the address at the other end of the connection itself: no header has a say in it."""
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _is_proxy_mark(header: str) -> bool:
    name = header.lower()
    return name in _PROXY_MARKS or name.startswith("x-forwarded-")


def _is_local_host(hosts: Sequence[str]) -> bool:
    return len(hosts) == 1 and _LOCAL_HOST.fullmatch(hosts[0]) is not None
