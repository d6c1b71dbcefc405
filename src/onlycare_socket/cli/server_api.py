"""A running server as its operator sees it: the HTTP API of contract section 4."""

import json
import os
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from onlycare_socket.cli.failure import Failure, NotFound, Unauthorized, Unreachable, WrongUsage
from onlycare_socket.config import is_loopback, look_up
from onlycare_socket.config.api_secret import DEVELOPMENT_SECRET

_TIMEOUT = 10.0
"""Seconds to wait for an answer."""
_PAGE = 1000
"""Users asked for at once."""
_GATEWAY = (502, 503, 504)
"""What a proxy answers for a server that is not there."""


def server_url(url: str | None, env_file: str) -> str:
    """Returns the address of the server meant: the given one, else that of HOST and PORT.

    Raises WrongUsage when it is no web address.
    """
    if url is None:
        given = look_up(("host", "port"), os.environ, env_file)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(given.get("host", ""), given.get("host", "127.0.0.1"))
        return f"http://{f'[{host}]' if ':' in host else host}:{given.get('port', 3001)}"
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must begin with http:// or https://")
        if parts.username is not None:
            raise ValueError("it must have no user name")
        _ = parts.port  # raises ValueError when it is none
        return f"{parts.scheme}://{parts.netloc}"
    except ValueError as error:
        raise WrongUsage(f"--url {url.rpartition('@')[2]}: {error}") from None


class ServerApi:
    """Asks one server. Every method returns decoded JSON and raises a Failure that says what to do."""

    def __init__(self, url: str, env_file: str) -> None:
        self._url = url
        self._secret = _secret(url, env_file)
        self._opener: OpenerDirector = build_opener(ProxyHandler({}))

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Returns whether the server is ready for calls, and what it says of itself."""
        healthy, health = self._ask("GET", "/health", "status", accept=(503,))
        ready, _ = self._ask("GET", "/ready", "ready", accept=(503,))
        return healthy == 200 and ready == 200, {**health, "ready": ready == 200}

    def users(self) -> dict[str, Any]:
        """Returns `{count, users}` with the ids of all connected users."""
        users: list[str] = []
        after: dict[str, Any] = {}
        while True:
            page = self._ask("GET", f"/api/connected-users?{urlencode({'limit': _PAGE, **after})}", "users")[1]
            users += page["users"]
            if len(page["users"]) < _PAGE:
                return {"count": page["count"], "users": users}
            after = {"after": page["users"][-1]}

    def user(self, user: str) -> dict[str, Any]:
        """Returns whether one user is connected, and with how many devices."""
        return self._ask("GET", f"/api/users/{quote(user, safe='')}/online", "isOnline")[1]

    def calls(self) -> dict[str, Any]:
        """Returns `{count, calls}`: live calls and recent ones."""
        return self._ask("GET", "/api/calls", "calls")[1]

    def timeline(self, call: str) -> dict[str, Any]:
        """Returns every step of one call. Raises NotFound."""
        return self._ask("GET", f"/api/calls/{quote(call, safe='')}/timeline", "steps", what=f"call {call}")[1]

    def end(self, call: str) -> dict[str, Any]:
        """Ends a call. Raises NotFound."""
        return self._ask("POST", f"/api/calls/{quote(call, safe='')}/end", "success", what=f"call {call}")[1]

    def disconnect(self, user: str) -> dict[str, Any]:
        """Closes a user's connections. Raises NotFound."""
        return self._ask("POST", f"/api/users/{quote(user, safe='')}/disconnect", "success", what=f"user {user}")[1]

    def _ask(
        self, method: str, path: str, has: str, *, what: str = "", accept: tuple[int, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Returns status and body of an answer that has the field `has`, by which this server is known from others."""
        headers = {"Accept": "application/json", **({"X-Internal-Secret": self._secret} if self._secret else {})}
        body = b"{}" if method == "POST" else None
        request = Request(self._url + path, body, {**headers, "Content-Type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return answer.status, self._decoded(answer, has)
        except HTTPError as error:
            with error:
                if error.code in accept:
                    return error.code, self._decoded(error, has)
                raise self._refusal(error, what) from None
        except (OSError, HTTPException) as error:
            raise Unreachable(
                f"no server answers on {self._url} ({_reason(error)}): is it running, and is --url right?"
            ) from None

    def _decoded(self, answer: HTTPResponse | HTTPError, has: str) -> dict[str, Any]:
        """Returns the JSON object of an answer. Raises Unreachable when it lacks the field: somebody else answered."""
        try:
            decoded = json.loads(answer.read())
        except ValueError:
            decoded = None
        if isinstance(decoded, dict) and has in decoded:
            return decoded
        status, kind = answer.status, answer.headers.get("Content-Type", "").partition(";")[0] or "no content type"
        if status in _GATEWAY:
            raise Unreachable(f"the proxy at {self._url} reaches no server (it answered {status} with {kind})")
        raise Unreachable(f"{self._url} is no onlycare-socket server (it answered {status} with {kind})")

    def _refusal(self, error: HTTPError, what: str) -> Failure:
        sentence = self._decoded(error, "error")["error"]
        if error.code == 401:
            return Unauthorized(
                "the server does not accept the secret: set LARAVEL_API_SECRET in the environment or in .env to the "
                "server's, at least 16 characters"
                if self._secret
                else "LARAVEL_API_SECRET is not set: this needs the server's secret, in the environment or in .env"
            )
        if error.code == 404 and what:
            return NotFound(f"the server does not know {what}")
        return Failure(f"{self._url} answered {error.code} {error.reason}: {sentence}")


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or str(cause) or type(error).__name__


def _secret(url: str, env_file: str) -> str | None:
    """Returns the operator's secret, or for a server on this machine the one that `--dev` uses."""
    secrets = look_up(("laravel_api_secret",), os.environ, env_file).get("laravel_api_secret")
    if secrets:
        return str(secrets[0])
    return DEVELOPMENT_SECRET if is_loopback(urlsplit(url).hostname or "") else None
