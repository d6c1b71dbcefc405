"""Asks Laravel who a token belongs to: one GET of `/api/v1/users/me`, and every way it can go wrong as data.

Contract section 1. A 200 whose body is `{"success": true, "data": {"id", "name", "gender", ...}}` is a yes, 401 and
403 are a no, and all the rest is trouble on the backend's side, which says nothing about the token. The body holds
private data too: it is read up to a limit, and only id, name and gender leave this file.
"""

import asyncio
import email.utils
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct

from onlycare_socket import __version__
from onlycare_socket.adapters.lean_get import LeanGet, Reply
from onlycare_socket.credentials import identity_of
from onlycare_socket.ports import Identity

MAX_BODY: Final = 262_144
"""Bytes of an answer that are read at the most; an answer about one user has a few thousand."""
_MOST_RETRY_AFTER: Final = 86_400.0

TroubleKind = Literal[
    "unreachable", "tls", "timeout", "throttled", "server_error", "not_found", "redirect", "unexpected", "rubbish"
]
"""A label of metrics and logs."""


class Found(Struct, frozen=True):
    """The backend knows the token."""

    identity: Identity


class Denied(Struct, frozen=True):
    """The backend refuses the token: 401 or 403."""

    status: int


class Trouble(Struct, frozen=True):
    """The backend did not answer the question. `text` is for the operator; `retry_after` is seconds, if it said so."""

    kind: TroubleKind
    text: str
    retry_after: float = 0.0


Answer = Found | Denied | Trouble


class _Data(Struct):
    id: int | str
    name: Any = None
    gender: Any = None


class _Me(Struct):
    success: bool
    data: _Data


_decode_me = msgspec.json.Decoder(_Me).decode


def api_root(url: str) -> str:
    """Returns the address of the API with `/api/v1` at its end and no slash behind it, whichever way it was given.

    Raises ValueError, with a sentence for the operator, when it is no address of a site.
    """
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("LARAVEL_API_URL must be an address like https://api.example.com")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("LARAVEL_API_URL must have no user name, '?' or '#' in it")
    path = parts.path.rstrip("/").removesuffix("/api/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}/api/v1"


class UsersMe:
    """Puts the question to one Laravel over a shared pool of connections.

    Raises nothing for what the other side does: that is an `Answer`.
    """

    def __init__(self, api_url: str, *, request_timeout: float = 5.0, connections: int = 32) -> None:
        """`request_timeout` is seconds for the whole of one request, from the connect to the end of the body.

        Raises ValueError when `api_url` is no address of a site.
        """
        self.url = f"{api_root(api_url)}/users/me"
        self._request_timeout = request_timeout
        self._connections = connections
        self._get: LeanGet | None = None

    async def open(self) -> None:
        """Makes the pool; nothing is sent yet."""
        headers = {"Accept": "application/json", "User-Agent": f"onlycare-socket/{__version__}"}
        self._get = LeanGet(self.url, headers, connections=self._connections, idle=30)

    async def close(self) -> None:
        """Closes the pool; a question on its way is answered with trouble."""
        if self._get is not None:
            await self._get.close()
            self._get = None

    async def ask(self, token: str | None) -> Answer:
        """Asks once, within the time limit. Without a token it asks as the start-up check does."""
        if self._get is None:
            return Trouble("unreachable", "the server is stopping")
        line = "" if token is None else f"Authorization: Bearer {token}"
        try:
            async with asyncio.timeout(self._request_timeout):
                return _read(await self._get.get(line, most=MAX_BODY))
        except TimeoutError:
            return Trouble("timeout", f"no answer within {self._request_timeout:g} s")
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            return Trouble("tls", str(error))
        except (aiohttp.ClientConnectionError, OSError) as error:
            return Trouble("unreachable", str(error) or type(error).__name__)
        except (aiohttp.ClientError, HttpProcessingError) as error:
            # What is not HTTP. Its text may quote what was received, so only its kind is told.
            return Trouble("rubbish", f"the answer is not HTTP as it should be ({type(error).__name__})")


def _read(reply: Reply) -> Answer:
    status = reply.status
    if status == 200:
        return _parse(reply.body)
    if status in (401, 403):
        return Denied(status)
    if status == 429:
        return Trouble("throttled", "it answers 429 (too many requests)", _retry_after(reply.headers))
    if status >= 500:
        return Trouble("server_error", f"it answers {status}", _retry_after(reply.headers))
    if status == 404:
        return Trouble("not_found", "it answers 404")
    if status in (301, 302, 303, 307, 308):
        return Trouble("redirect", f"it redirects to {_place(reply.headers.get('Location', ''))}")
    return Trouble("unexpected", f"it answers {status}")


def _parse(body: bytes | None) -> Found | Trouble:
    if body is None:
        return Trouble("rubbish", f"its answer is larger than {MAX_BODY} bytes")
    try:
        me = _decode_me(body)
    except msgspec.ValidationError:
        return Trouble("rubbish", "its answer has not the fields success and data.id")
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Trouble("rubbish", "its answer is not JSON")
    if not me.success:
        return Trouble("rubbish", "it answers 200 with success false")
    identity = identity_of(me.data.id, me.data.name, me.data.gender)
    return Found(identity) if identity else Trouble("rubbish", "its data.id names no user")


def _retry_after(headers: Mapping[str, str]) -> float:
    """Returns the seconds of a Retry-After header, in either of its forms (RFC 9110 section 10.2.3), else 0."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), _MOST_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, moment - time.time()), _MOST_RETRY_AFTER)


def _place(location: str) -> str:
    """Returns where a redirect leads without its query, which may hold a secret; cut to a line's length."""
    return repr(location.partition("?")[0][:200])
