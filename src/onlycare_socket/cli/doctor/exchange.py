"""Single requests to servers of which nothing is believed: bounded in time and size, no redirect followed, no proxy.

Whatever the other side does is data: an `Answer`, or a `Trouble` in words for the operator.
"""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct
from yarl import URL

from onlycare_socket import __version__
from onlycare_socket.cli.doctor.finding import shown

TIME: Final = 5.0
"""Seconds that one request may take, from the name to the end of the body."""
NAME_TIME: Final = 3.0
"""Seconds of these for a name."""
MOST_BODY: Final = 262_144
"""Bytes of a body that are read: as many as the server itself reads of Laravel's answers."""
REDIRECTS: Final = (301, 302, 303, 307, 308)

TROUBLES: Final = (OSError, TimeoutError, ValueError, aiohttp.ClientError, HttpProcessingError)
"""All that a request to a foreign server can end in."""


class Answer(Struct, frozen=True):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    came: float
    """Unix time when its head was there."""

    @property
    def kind(self) -> str:
        """The media type, for people."""
        return shown(self.headers.get("Content-Type", "").partition(";")[0].strip().lower()) or "no content type"

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON."""
        return self._decoded() is not None

    @property
    def fields(self) -> dict[str, Any]:
        """The body's JSON object; empty when it is none."""
        decoded = self._decoded()
        return decoded if isinstance(decoded, dict) else {}

    @property
    def place(self) -> str:
        """Where a redirect leads, without its query, which may hold a secret."""
        return shown(self.headers.get("Location", "").partition("?")[0])

    def __str__(self) -> str:
        if self.status in REDIRECTS:
            return f"a redirect ({self.status}) to {self.place or 'nowhere'}"
        return f"{self.status} with {self.kind}"

    def _decoded(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Trouble(Struct, frozen=True):
    """No HTTP answer. `text` continues the sentence `<address>: `."""

    kind: Literal["name", "refused", "tls", "timeout", "unreachable", "rubbish"]
    text: str
    verify_code: int = 0
    """OpenSSL's code of why a certificate is not valid."""


class Redirected(Exception):
    """A redirect that is not followed; the text says where it leads."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        answer = Answer(response.status, response.headers, b"", 0.0, 0.0)
        super().__init__(str(answer))
        self.status = response.status


class Http:
    """Makes requests. To be used with `async with` on the running loop."""

    def __init__(self) -> None:
        self.names = Names()
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, resolver=self.names),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"onlycare-socket-doctor/{__version__}", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trace_configs=[_follow_nothing()],
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.session.close()

    async def ask(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        within: float = TIME,
    ) -> Answer | Trouble:
        """Returns what came back within so many seconds, of the body no more than `MOST_BODY` bytes."""
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(within),
                self.session.request(
                    method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
                ) as response,
            ):
                came = time.time()
                read = await _read(response.content)
                return Answer(response.status, response.headers, read, time.monotonic() - began, came)
        except TROUBLES as error:
            return trouble(error, url, within)


class Names(AbstractResolver):
    """Resolves names in threads that nobody waits for: a name server that is away must not hold up the end."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns the addresses of a name. Raises OSError."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def look_up() -> None:
            try:
                found: list[ResolveResult] | OSError = _addresses(host, port, family)
            except OSError as error:
                found = error
            except UnicodeError:  # a label that is empty or over 63 characters
                found = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            with suppress(RuntimeError):  # the loop is closed: nobody asks any more
                loop.call_soon_threadsafe(_settle, future, found)

        threading.Thread(target=look_up, daemon=True).start()
        try:
            async with asyncio.timeout(NAME_TIME):
                return await future
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "No name server answers") from None

    async def close(self) -> None:
        """Nothing is kept open."""


def trouble(error: Exception, url: str, within: float) -> Trouble:
    """Puts an error of a request into words."""
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return Trouble("name", f"the name {urlsplit(url).hostname} cannot be resolved")
    if isinstance(error, TimeoutError):
        return Trouble("timeout", f"no whole answer within {within:g} s")
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Trouble("tls", f"its certificate is not valid: {cause.verify_message}", cause.verify_code)
    if isinstance(cause, ssl.SSLError):
        return Trouble("tls", f"no TLS connection came about ({cause.reason or 'cut off'})")
    if isinstance(cause, ConnectionRefusedError):
        return Trouble("refused", "the connection is refused: nothing listens there")
    if isinstance(cause, OSError) and not isinstance(error, aiohttp.ServerConnectionError):
        return Trouble("unreachable", f"it cannot be reached ({cause.strerror or type(cause).__name__})")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Trouble("rubbish", "it closed the connection without an answer")
    return Trouble("rubbish", f"what answers there does not speak HTTP ({type(error).__name__})")


def _follow_nothing() -> aiohttp.TraceConfig:
    """Ends a request where it is redirected: `ws_connect` would follow, and has no option for that."""

    async def redirected(
        session: aiohttp.ClientSession, context: object, seen: aiohttp.TraceRequestRedirectParams
    ) -> None:
        raise Redirected(seen.response)

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(redirected)
    return trace


async def _read(content: aiohttp.StreamReader) -> bytes:
    pieces = bytearray()
    while len(pieces) < MOST_BODY and not content.at_eof():
        pieces += await content.read(16_384)
    return bytes(pieces)


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    ]


def _settle(future: asyncio.Future[list[ResolveResult]], found: list[ResolveResult] | OSError) -> None:
    if future.done():
        return
    if isinstance(found, OSError):
        future.set_exception(found)
    else:
        future.set_result(found)
