"""Bodies in, JSON out, and every failure as JSON `{error}` (contract section 4)."""

import asyncio
from typing import Any, TypeVar

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import UNSET

from onlycare_socket.calls import errors
from onlycare_socket.calls.messages import Reply
from onlycare_socket.http_api.access import Access

MAX_BODY = 65_536
"""Bytes of a request's body at the most."""
BODY_TIMEOUT = 10.0
"""Seconds in which a body must have come."""

T = TypeVar("T")

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class BadRequest(Exception):
    """The request cannot be answered; `error` is what its sender reads."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


def answer(body: object, status: int = 200) -> web.Response:
    """Returns a JSON response."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(body=_encode(body), status=status, content_type="application/json", headers=headers)


def error(status: int, sentence: str) -> web.Response:
    """Returns a JSON response that says what is wrong."""
    return answer({"error": sentence}, status)


async def read_body(request: web.Request, shape: type[T], *, most: int = MAX_BODY) -> T:
    """Returns the body as a struct. Raises BadRequest: 413 too large, 408 too slow, 422 not of this shape."""
    if (request.content_length or 0) > most:
        raise BadRequest(413, "Body too large")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise BadRequest(413, "Body too large")
    except TimeoutError:
        raise BadRequest(408, "Body too slow") from None
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(422, f"Bad body: {problem}") from None


def read_number(request: web.Request, name: str, default: int | None, most: int) -> int | None:
    """Returns a number from the query, at most `most`. Raises BadRequest when it is none, or below 1."""
    written = request.query.get(name)
    if not written:
        return default
    if not written.isascii() or not written.isdigit() or len(written) > 9 or int(written) < 1:
        raise BadRequest(422, f"{name} is a number from 1")
    return min(int(written), most)


_STATUS_OF: dict[str, int] = {
    kind.code: kind.http_status
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.CallError)
}


def refused(reply: Reply) -> web.Response:
    """Returns the answer to a command that the rules refused: the only place where a code becomes a status."""
    code = errors.Internal.code if reply.code is UNSET else reply.code
    body: dict[str, Any] = {"error": reply.error, "code": code}
    if reply.state is not UNSET:
        body["state"] = reply.state
    return answer(body, _STATUS_OF.get(code, errors.Internal.http_status))


def failures_as_json(access: Access, *, but: str) -> Any:
    """Returns a middleware that keeps out who may not ask, and answers every failure in JSON.

    The path `but` is left alone: Engine.IO has its own way to say no.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == but:
            return await handler(request)
        if not access.allows(request):
            return error(401, "Unauthorized")
        try:
            return await handler(request)
        except BadRequest as problem:
            return error(problem.status, problem.error)
        except web.HTTPException as problem:
            problem.__traceback__ = None  # aiohttp keeps it: a cycle with the request, for the collector alone to free
            response = error(problem.status, problem.reason)
            if isinstance(problem, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = ",".join(sorted(problem.allowed_methods))
            return response
        except Exception:
            log.exception("a request failed", method=request.method, path=request.path)
            return error(500, "Internal error")

    return middleware
