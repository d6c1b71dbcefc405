"""What the backend asks a server by HTTP, and what comes back, whatever that is."""

import json
from typing import Any

import aiohttp

from onlycare_socket.cli.failure import Unreachable

_LONGEST = aiohttp.ClientTimeout(total=10)


class BackendRequests:
    """Asks one server, with or without the secret."""

    def __init__(self, url: str, secret: str | None) -> None:
        self._url = url
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None

    @property
    def has_secret(self) -> bool:
        """Whether it may ask what needs the secret."""
        return self._secret is not None

    async def ask(self, path: str, body: dict[str, Any] | None, *, with_secret: bool) -> dict[str, Any]:
        """Returns `{http: status, ...fields}`; of an answer that is no JSON object its kind. Raises Unreachable."""
        headers = {"X-Internal-Secret": self._secret} if with_secret and self._secret else {}
        self._session = self._session or aiohttp.ClientSession(timeout=_LONGEST)
        method = "GET" if body is None else "POST"
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers, allow_redirects=False
            ) as answer:
                return {"http": answer.status, **_fields(await answer.read(), answer.content_type)}
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"cannot ask {self._url}{path}: {str(error) or type(error).__name__}") from None

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()


def _fields(body: bytes, kind: str) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        return {"body": kind}
    return decoded if isinstance(decoded, dict) else {"body": "JSON"}
