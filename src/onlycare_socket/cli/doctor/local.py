"""The server itself, at its own port: is it there, is it ours, does it take its secret, does it let phones in."""

from typing import Final
from urllib.parse import urlsplit

from onlycare_socket import __version__
from onlycare_socket.cli.doctor import handshake, machine
from onlycare_socket.cli.doctor.exchange import Answer, Http, Trouble
from onlycare_socket.cli.doctor.finding import Finding, fail, ok, shown, skipped, warn
from onlycare_socket.cli.doctor.subject import Subject
from onlycare_socket.config import is_loopback

START: Final = "start it: `systemctl start onlycare-socket`, or `pm2 start` with deploy/ecosystem.config.js"
RESTART: Final = "restart it: `systemctl restart onlycare-socket`, or `pm2 restart onlycare-socket`"
LOG: Final = "look at its log: `journalctl -u onlycare-socket`, or `pm2 logs onlycare-socket`"

SPARE: Final = 100
"""Files a server needs beside its connections."""
FEW_PHONES: Final = 2_000


async def port(http: Http, subject: Subject) -> Finding:
    """Who answers at the server's address; ok and warn mean a server of this project that is well."""
    answer = await http.ask(f"{subject.url}/health")
    if isinstance(answer, Trouble):
        return _no_server(subject, answer)
    health = answer.fields
    if "connectedUsers" not in health or "status" not in health:
        return _somebody_else(subject, f"{_holder(subject)} answers {answer}")
    if "version" not in health:
        found = f"{_holder(subject)} answers like the old Node server: its /health names no version"
        return _somebody_else(subject, found)
    return _condition(subject, answer)


async def secret(http: Http, subject: Subject) -> Finding:
    """Whether the running server takes the secret of the settings."""
    name = "secret in use"
    if subject.settings.api_secret_problem:
        return skipped(name, "there is no proper secret to try", "see `secret`")
    headers = {"X-Internal-Secret": subject.settings.laravel_api_secret[0]}
    answer = await http.ask(f"{subject.url}/api/connected-users?limit=1", headers)
    if isinstance(answer, Answer) and answer.status == 200:
        return ok(name, "the running server accepts it")
    if isinstance(answer, Answer) and answer.status == 401:
        return fail(name, "the running server was started with another secret than the settings have", RESTART)
    what = answer.text if isinstance(answer, Trouble) else f"it answers {answer}"
    return fail(name, f"the running server did not say whether it accepts it: {what}", LOG)


async def polling(http: Http, url: str) -> Finding:
    """Whether a phone can begin, as the Android app does."""
    reason = await handshake.poll(http, url)
    return fail("polling", reason.text, LOG) if reason else ok("polling", "a session opens by long polling")


async def websocket(http: Http, url: str) -> Finding:
    """Whether a phone can go on by WebSocket."""
    reason = await handshake.open_websocket(http, url)
    return fail("websocket", reason.text, LOG) if reason else ok("websocket", "a session opens by WebSocket")


def files(subject: Subject, *, ours: bool) -> Finding:
    """How many phones fit before files run out; each may hold two for a while when all reconnect."""
    name = "file limit"
    held = machine.listener(_port_of(subject)) if ours and _here(subject) else None
    limit = machine.file_limit(held.pid) if held and held.pid and machine.is_a_server(held.pid) else None
    whose = "the running server" if limit else "a process started from this shell"
    limit = limit or machine.usual_file_limit()
    phones = max(0, (limit - SPARE) // 2)
    found = f"{whose} may open {limit:,} files: enough for {phones:,} phones, each twice while all reconnect"
    if phones < FEW_PHONES:
        return warn(name, found, "raise LimitNOFILE= in the systemd unit, or `ulimit -Hn` where PM2 starts")
    return ok(name, found)


def _no_server(subject: Subject, trouble: Trouble) -> Finding:
    if trouble.kind == "refused":
        return fail("port", f"nothing listens on {subject.url}: the server does not run", START)
    if trouble.kind == "rubbish":
        return _somebody_else(subject, f"{_holder(subject)} does not answer as an HTTP server")
    return fail("port", f"{subject.url}: {trouble.text}", f"{LOG}; with --url name another address")


def _somebody_else(subject: Subject, found: str) -> Finding:
    return fail(
        "port",
        f"{subject.url} is held by another program: {found}",
        "stop that program, or give this server another PORT and nginx's upstream the same",
    )


def _condition(subject: Subject, answer: Answer) -> Finding:
    health = answer.fields
    version, status = shown(health["version"]), shown(health["status"])
    if answer.status != 200 or status != "OK":
        return fail("port", f"the server on {subject.url} says of itself: {status}", LOG)
    if version != __version__:
        return warn("port", f"version {version} runs on {subject.url}, but {__version__} is installed", RESTART)
    return ok(
        "port", f"version {version} runs on {subject.url}, with {shown(health['connectedUsers'])} users connected"
    )


def _holder(subject: Subject) -> str:
    found = machine.listener(_port_of(subject)) if _here(subject) else None
    return shown(found) if found else "what listens there"


def _here(subject: Subject) -> bool:
    return is_loopback(urlsplit(subject.url).hostname or "")


def _port_of(subject: Subject) -> int:
    parts = urlsplit(subject.url)
    return parts.port or {"http": 80, "https": 443}[parts.scheme]
