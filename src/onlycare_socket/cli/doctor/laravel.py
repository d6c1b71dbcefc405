"""Laravel, in both directions: does it verify tokens for this server, and does it reach this server itself."""

import asyncio
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from onlycare_socket.calls.ids import canonical_user
from onlycare_socket.cli.doctor.exchange import REDIRECTS, Answer, Http, Trouble
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, shown, skipped, warn
from onlycare_socket.cli.doctor.subject import Subject
from onlycare_socket.credentials import identity_of
from onlycare_socket.ports import Identity

SLOW: Final = 1.0
"""Seconds: a CONNECT waits 8 s for the answer, also when a thousand phones ask at once."""
ME: Final = "/api/v1/users/me"
JSON: Final = {"Accept": "application/json"}

SITE_LOG: Final = "look in Laravel's storage/logs/laravel.log, and in the log of its web server"


class Laravel(Struct, frozen=True):
    """Where it is, and what it answered to a request without a token."""

    root: str
    """Without `/api/v1`."""
    answer: Answer | Trouble

    @property
    def url(self) -> str:
        """What the server asks about a token."""
        return f"{self.root}{ME}"


def absent(subject: Subject) -> Finding:
    """Says what it means that there is no LARAVEL_API_URL."""
    auth = subject.settings.auth
    if auth == "laravel":
        return skipped("laravel", "LARAVEL_API_URL is not set", "set it to the backend's address: see `settings`")
    return skipped("laravel", f"LARAVEL_API_URL is not set, and AUTH={auth} does without", "nothing, if that is meant")


async def reach(http: Http, root: str) -> Laravel:
    """Asks as the server does at its start: without a token."""
    return Laravel(root, await http.ask(f"{root}{ME}", JSON))


async def address(http: Http, laravel: Laravel) -> Finding:
    """Whether LARAVEL_API_URL leads to a Laravel that verifies tokens; if not, which address would."""
    answer = laravel.answer
    if isinstance(answer, Trouble):
        return _unreached(laravel, answer)
    if answer.status in (401, 403):
        return _refusal(laravel, answer)
    if identity(answer):
        return fail(
            "laravel",
            f"{laravel.url} names a user to a request without a token: anybody could pass for that user",
            "put the route users/me behind the auth:sanctum middleware",
        )
    if answer.status == 429 or answer.status >= 500:
        advice = "raise its rate limit for this server's address" if answer.status == 429 else SITE_LOG
        return fail("laravel", f"{laravel.url} answers {answer}", advice)
    return _misled(laravel, answer, await _elsewhere(http, laravel))


async def token(http: Http, laravel: Laravel, subject: Subject) -> tuple[Finding, str | None]:
    """Whether Laravel knows the token; beside it the user it is of."""
    name = "laravel token"
    if subject.token is None:
        return skipped(name, "no token is given", "name a file that holds one: --token-file FILE"), None
    answer = await http.ask(laravel.url, {**JSON, "Authorization": f"Bearer {subject.token}"})
    if isinstance(answer, Trouble):
        return fail(name, f"{laravel.url}: {answer.text}", "see `laravel`"), None
    if answer.status in (401, 403):
        return fail(
            name,
            f"Laravel refuses the token ({answer.status})",
            "make a new one in `php artisan tinker`: User::find(5)->createToken('doctor')->plainTextToken",
        ), None
    me = identity(answer)
    if me is None:
        return fail(name, f"{laravel.url} answers {answer}{_shape(answer)}", _SHAPE_ADVICE), None
    if subject.user is not None and canonical_user(subject.user) != me.user:
        advice = "give --user the id that Laravel says, or leave it out"
        return fail(name, f"the token is of user {shown(me.id)}, not of {shown(subject.user)}", advice), me.id
    return ok(name, f"Laravel knows it: user {shown(me.id)} (data.id is {_form(answer)}{_rest(me)})"), me.id


def identity(answer: Answer) -> Identity | None:
    """Returns whom an answer of users/me names, read as strictly as the server reads it."""
    fields = answer.fields
    data = fields.get("data")
    if answer.status != 200 or fields.get("success") is not True or not isinstance(data, dict):
        return None
    return identity_of(data.get("id"), data.get("name"), data.get("gender"))


# ---------------------------------------------------------------- the address


def _refusal(laravel: Laravel, answer: Answer) -> Finding:
    """A request without a token is refused: as it must be, if Laravel is who says so."""
    found = f"{laravel.url} answers {answer} without a token"
    if "basic" in answer.headers.get("WWW-Authenticate", "").lower():
        advice = "except /api from the web server's password, or name an address without one"
        return fail(
            "laravel", f"{found}: the web server in front asks for a password, so every phone is refused", advice
        )
    if not answer.is_json:
        advice = "see that Laravel itself answers there: the body must be JSON"
        return warn("laravel", f"{found}: something in front of Laravel may refuse every token", advice)
    if answer.seconds > SLOW:
        return warn(
            "laravel",
            f"{found}, but takes {answer.seconds:.1f} s",
            "look at its load: when all phones reconnect, each of them waits so long at the least",
        )
    return ok("laravel", f"{found}, as it must, in {answer.seconds * 1000:.0f} ms; with or without /api/v1 is the same")


def _unreached(laravel: Laravel, trouble: Trouble) -> Finding:
    advice = {
        "name": "correct the name in LARAVEL_API_URL, or the name servers in /etc/resolv.conf",
        "refused": "start Laravel's web server, or correct LARAVEL_API_URL",
        "tls": "see `laravel certificate`; LARAVEL_API_URL must have the name that the certificate is for",
        "timeout": "look at the load of the Laravel server, and at the firewall in between",
        "unreachable": "look at the network and the firewall, or correct LARAVEL_API_URL",
        "rubbish": "see whether http:// and https:// are mixed up in LARAVEL_API_URL, and the port is right",
    }
    return fail("laravel", f"{laravel.url}: {trouble.text}", advice[trouble.kind])


async def _elsewhere(http: Http, laravel: Laravel) -> str | None:
    """Returns an address near by at which Laravel does refuse a request without a token."""
    urls = _near_by(laravel.root)
    answers = await asyncio.gather(*(http.ask(url, JSON, within=2) for url in urls))
    for url, answer in zip(urls, answers, strict=True):
        if isinstance(answer, Answer) and answer.status in (401, 403) and answer.is_json:
            return url
    return None


def _near_by(root: str) -> list[str]:
    """Returns the forms that are mixed up: a path too much, /api or /v1 of its own, or none of it."""
    parts = urlsplit(root)
    site = f"{parts.scheme}://{parts.netloc}"
    parents = [root.removesuffix("/v1"), root.removesuffix("/api"), site]
    tried = [f"{parent}{ME}" for parent in parents] + [f"{root}/users/me", f"{root}/v1/users/me"]
    return [url for url in dict.fromkeys(tried) if url != f"{root}{ME}"]


def _misled(laravel: Laravel, answer: Answer, right: str | None) -> Finding:
    found = f"{laravel.url} answers {answer}, where Laravel would answer 401 in JSON"
    if right and right.endswith(ME):
        return fail("laravel", found, f"set LARAVEL_API_URL={right.removesuffix(ME)}, which is right")
    if right:
        advice = f"let Laravel serve {ME}: the server asks nowhere else, but the route is at {right}"
        return fail("laravel", found, advice)
    if answer.status in REDIRECTS:
        advice = "put the address it leads to, without /users/me, in LARAVEL_API_URL"
        if not answer.place.endswith("/users/me"):
            advice = "let the route answer 401 in JSON (auth:sanctum), or name the site that has the API"
        return fail("laravel", found, advice)
    return fail("laravel", found, f"give LARAVEL_API_URL the site that has {ME}; it may end in /api/v1 or not")


# ---------------------------------------------------------------- the answer about a token

_SHAPE_ADVICE: Final = 'let users/me answer 200 with {"success": true, "data": {"id": ...}}, as the server reads it'


def _shape(answer: Answer) -> str:
    """Says what an answer has instead of `success` and `data.id`."""
    if not answer.fields:
        return ""
    if answer.fields.get("success") is not True:
        return ", but no `success: true` in it"
    data = answer.fields.get("data")
    if not isinstance(data, dict):
        return ", but no `data` in it" if "id" not in answer.fields else ", but the id stands beside `data`, not in it"
    inner = data.get("user")
    within = isinstance(inner, dict) and "id" in inner
    return ", but the id is in data.user.id, not in data.id" if within else ", but no data.id that names a user"


def _form(answer: Answer) -> str:
    data: dict[str, Any] = answer.fields["data"]
    return "a number" if isinstance(data["id"], int) else "text"


def _rest(me: Identity) -> str:
    missing = [field for field, value in (("name", me.name), ("gender", me.gender)) if not value]
    return f"; {' and '.join(missing)} missing, so phones show none" if missing else ", with name and gender"
