"""Which pages may talk to the server (contract section 1), and the CORS headers that tell their browser so."""

import re
from collections.abc import Mapping

from aiohttp import web

DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
PREFLIGHT_SECONDS = "600"
_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]{1,64}(?:\s*,\s*[A-Za-z0-9-]{1,64}){0,15}")


class Origins:
    """Decides on the `Origin` of a request.

    One without it passes: native apps send none, and identity is an explicit token. So does a page of the same host
    and port, whatever its scheme, since a proxy in front speaks TLS; and one that is listed. `null`, a page opened
    from disk, must be listed by that name or by `*`.
    """

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._any = "*" in allowed
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)

    def passes(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers may be answered. Their names are in lower case, or in any."""
        origin = headers.get("origin")
        if origin is None:
            return True
        if origin.lower() == "null":
            return self._any or "null" in self._allowed
        return self._any or origin.lower() in self._allowed or _same_place(origin, headers.get("host"))

    def headers(self, request: web.BaseRequest) -> Mapping[str, str]:
        """The CORS headers for the answer to a request that passes."""
        origin = request.headers.get("Origin")
        if origin is None:
            return {}
        headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if origin.lower() in self._allowed or not self._any:
            headers["Access-Control-Allow-Credentials"] = "true"
        return headers

    def preflight(self, request: web.BaseRequest) -> web.Response:
        """The answer to a browser that asks before it sends."""
        headers = {
            **self.headers(request),
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Max-Age": PREFLIGHT_SECONDS,
        }
        wanted = request.headers.get("Access-Control-Request-Headers", "")
        if _HEADER_NAMES.fullmatch(wanted):
            headers["Access-Control-Allow-Headers"] = wanted
        return web.Response(status=204, headers=headers)


def _same_place(origin: str, host: str | None) -> bool:
    scheme, mark, authority = origin.lower().partition("://")
    if not mark or host is None:
        return False
    port = DEFAULT_PORTS.get(scheme, "")
    return _with_port(authority, port) == _with_port(host.lower(), port)


def _with_port(authority: str, port: str) -> str:
    name, colon, digits = authority.rpartition(":")
    if colon and digits.isdigit():
        return f"{name}:{digits}"
    return f"{authority}:{port}"
