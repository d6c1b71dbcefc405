"""Tells the operator whether Laravel verifies tokens, and if not, which side is wrong and what to do.

One line when it changes, and at the most one complaint a minute: the question is asked for every phone, the operator
needs to hear of it once. Contract section 7, row 19: wrong settings went unnoticed for months.
"""

import math
from collections.abc import Callable
from typing import Final

import structlog

from onlycare_socket.adapters.laravel_users import Answer, Denied, Trouble, TroubleKind

_QUIET: Final = 60.0

ADVICE: Final[dict[TroubleKind, str]] = {
    "unreachable": "start Laravel or its web server, or correct LARAVEL_API_URL",
    "tls": "renew the certificate of that host, or use the name it was made for in LARAVEL_API_URL",
    "timeout": "look at the load of the Laravel server, and at the firewall in between",
    "throttled": "raise Laravel's rate limit for the address of this server",
    "server_error": "look in Laravel's own log, storage/logs/laravel.log",
    "not_found": "LARAVEL_API_URL names the wrong place: give the site that has /api/v1/users/me",
    "redirect": "put the address it redirects to, without /users/me, in LARAVEL_API_URL",
    "unexpected": "look in the log of Laravel's web server: something in front of Laravel refuses the request",
    "rubbish": "LARAVEL_API_URL may name another site; the answer must be JSON with success and data.id",
}


class LaravelWatch:
    """Remembers how Laravel answered last, and logs the changes."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self.state: str = "unknown"
        """`unknown` before the first answer, then `ok` or the kind of the last trouble."""
        self._url = url
        self._clock = clock
        self._log = structlog.get_logger(__name__)
        self._complained_at = -math.inf
        self._complaining = False
        """Whether the last line said that something is wrong."""

    def checked(self, answer: Answer) -> None:
        """Takes the answer to the start-up question, which carried no token: the right one is a refusal."""
        if isinstance(answer, Trouble):
            self.troubled(answer)
            return
        self.state = "ok"
        self._complaining = False
        if isinstance(answer, Denied):
            self._log.info("Laravel answers and will verify the tokens", url=self._url)
        else:
            self._log.warning(
                "Laravel names a user to a request without a token: anybody could pass for that user; "
                "put the route users/me behind the auth:sanctum middleware",
                url=self._url,
            )

    def answered(self) -> None:
        """Takes note of a yes or a no about a token."""
        self.state = "ok"
        if self._complaining:
            self._complaining = False
            self._log.info("Laravel verifies tokens again", url=self._url)

    def troubled(self, trouble: Trouble) -> None:
        """Takes an answer that is none."""
        self.state = trouble.kind
        now = self._clock()
        if now - self._complained_at < _QUIET:
            return
        self._complained_at = now
        self._complaining = True
        advice = ADVICE[trouble.kind]
        self._log.error(f"Laravel does not verify tokens: {trouble.text}; {advice}", url=self._url, kind=trouble.kind)
