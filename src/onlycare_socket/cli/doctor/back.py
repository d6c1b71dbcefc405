"""From Laravel to the server: Laravel itself tells whether it reaches it and has its secret, asked with a signature."""

import time
from typing import Any, Final
from urllib.parse import urlsplit

from onlycare_socket import __version__
from onlycare_socket.cli.doctor.exchange import Answer, Http, Trouble
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, shown, skipped, warn
from onlycare_socket.cli.doctor.laravel import JSON, SITE_LOG, Laravel
from onlycare_socket.cli.doctor.subject import Subject
from onlycare_socket.signing import signed_headers

CHECK: Final = "/api/websocket/check"
"""The route that laravel/ registers."""
CHECK_TIME: Final = 8.0
"""Seconds for its answer: it asks this server twice."""

_SET_SECRET: Final = "set WEBSOCKET_SECRET in Laravel's .env to LARAVEL_API_SECRET, then `php artisan config:clear`"
_SWITCH: Final = "if the switch is meant to be done: point WEBSOCKET_URL there, or nginx's upstream, to this server"


async def way_back(http: Http, laravel: Laravel, subject: Subject) -> Finding:
    """Whether Laravel reaches this server and has its secret: Laravel tells it itself, asked with a signature."""
    name = "laravel to server"
    if subject.settings.api_secret_problem:
        return skipped(name, "there is no proper secret to sign the question with", "see `secret`")
    code = ""
    for number, secret in enumerate(subject.settings.laravel_api_secret):
        answer = await _check(http, laravel.root, secret)
        if isinstance(answer, Trouble) or answer.status not in (401, 403):
            return _told(laravel, answer, second=number > 0)
        code = code or _code(answer)
    if code == "TIMESTAMP_WRONG":
        return fail(name, "the clocks of Laravel and of this machine differ by more than 5 minutes", "see `clock`")
    return fail(
        name,
        "Laravel refuses the signature: its secret is another one",
        _SET_SECRET,
    )


async def _check(http: Http, root: str, secret: str) -> Answer | Trouble:
    url = f"{root}{CHECK}"
    signed = signed_headers(secret, "GET", urlsplit(url).path, b"", now=int(time.time()))
    return await http.ask(url, {**JSON, **signed}, within=CHECK_TIME)


def _code(answer: Answer) -> str:
    """Returns the code of a refusal of Laravel's middleware."""
    error = answer.fields.get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def _told(laravel: Laravel, answer: Answer | Trouble, *, second: bool) -> Finding:
    name, url = "laravel to server", f"{laravel.root}{CHECK}"
    if isinstance(answer, Trouble):
        return fail(name, f"{url}: {answer.text}", SITE_LOG)
    if answer.status == 404:
        return warn(
            name,
            f"{url} is not there: Laravel has not this project's files, so this direction cannot be checked",
            "install laravel/ there; the WebSocketService.php deployed before goes on working on this machine",
        )
    if _code(answer) == "SECRET_MISSING":
        return fail(name, "Laravel has no proper WEBSOCKET_SECRET", _SET_SECRET)
    if answer.status != 200 or "health" not in answer.fields:
        return fail(name, f"{url} answers {answer}", SITE_LOG)
    return _judged(name, answer.fields, second=second)


def _judged(name: str, said: dict[str, Any], *, second: bool) -> Finding:
    there, health, problem = shown(said.get("url")), said["health"], _problem(said)
    if said.get("enabled") is False:
        advice = "set WEBSOCKET_ENABLED=true in Laravel's .env, then `php artisan config:clear`"
        return warn(name, "Laravel is told not to use this server", advice)
    if not isinstance(health, dict):
        advice = "correct WEBSOCKET_URL in Laravel's .env, then `php artisan config:clear`"
        return fail(name, f"Laravel reaches no server at {there}{problem}", advice)
    if "version" not in health:
        return warn(name, f"Laravel reaches the old Node server at {there}", _SWITCH)
    if said.get("secretAccepted") is not True:
        advice = "see `secret in use`, or restart the server there with this secret"
        return fail(name, f"Laravel reaches {there}, but that server does not accept its secret{problem}", advice)
    if health["version"] != __version__:
        found = f"Laravel reaches version {shown(health['version'])} at {there}, not {__version__}"
        return warn(name, found, _SWITCH)
    if second:
        advice = "set WEBSOCKET_SECRET in Laravel to the first of the two, before the second is removed"
        return warn(name, "Laravel has the second of the two secrets", advice)
    if problem:
        return warn(
            name, f"Laravel reaches this server at {there}{problem}", "run `php artisan websocket:health` there"
        )
    return ok(name, f"Laravel reaches this server at {there}, and its secret is accepted")


def _problem(said: dict[str, Any]) -> str:
    """Returns what Laravel itself says is wrong."""
    return f" (it says: {shown(said['problem']).rstrip('.')})" if said.get("problem") else ""
