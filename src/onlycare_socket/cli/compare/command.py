"""The command around it: from options to a plan, from a comparison to output and an exit code."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from rich.console import Console

from onlycare_socket.cli import show
from onlycare_socket.cli.compare import report
from onlycare_socket.cli.compare.people import People, people_of
from onlycare_socket.cli.compare.stage import Manner
from onlycare_socket.cli.compare.tour import Plan, Said, Server, chosen, compare
from onlycare_socket.cli.failure import Failure, WrongUsage
from onlycare_socket.cli.server_api import server_url
from onlycare_socket.config import look_up


class Options(Struct, frozen=True, kw_only=True):
    """What was asked on the command line."""

    old: str | None
    new: str | None
    tokens: list[str]
    token_file: Path | None
    stories: list[str]
    manner: Manner
    timeouts: bool
    risky: bool
    rounds: int
    per_minute: int
    env_file: str
    old_env_file: str | None


def run(options: Options, *, listing: bool, everything: bool, json: bool) -> None:
    """Plays, shows what came out, and raises Failure when something is unexplained."""
    if listing:
        report.print_stories(chosen(options.stories))
        return
    plan = _plan(options)
    _warn(plan.people)
    with _progress() as said:
        comparison = compare(plan, said)
    if json:
        show.as_json({"old": plan.old.url, "new": plan.new.url, **report.as_builtins(comparison)})
    else:
        report.print_comparison(comparison, plan.old.url, plan.new.url, everything=everything)
    if comparison.surprises:
        raise Failure(f"{comparison.surprises} stories hold a difference that nothing explains")


def _plan(options: Options) -> Plan:
    return Plan(
        old=_server("old", options.old, options.old_env_file or options.env_file),
        new=_server("new", options.new, options.env_file),
        people=people_of(options.tokens, options.token_file, options.env_file),
        manner=options.manner,
        stories=chosen(options.stories),
        timeouts=options.timeouts,
        risky=options.risky,
        rounds=options.rounds,
        per_minute=options.per_minute,
    )


def _server(label: str, url: str | None, env_file: str) -> Server:
    if url is None:
        raise WrongUsage(f"--{label} is missing: the address of the {label} server")
    try:
        address = server_url(url, env_file)
    except WrongUsage as error:
        raise WrongUsage(str(error).replace("--url", f"--{label}", 1)) from None
    secrets = look_up(("laravel_api_secret",), os.environ, env_file).get("laravel_api_secret")
    return Server(label, address, str(secrets[0]) if secrets else None)


def _warn(people: People) -> None:
    users = ", ".join(person.user for person in (people.caller, people.receiver, people.third) if person)
    print(
        f"onlycare-socket: warning: the phones of the users {users} ring while this runs: give it test users only",
        file=sys.stderr,
    )


@contextlib.contextmanager
def _progress() -> Iterator[Said]:
    """Shows on a terminal what is being played."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _text: None
        return
    with console.status("") as status:
        yield status.update
