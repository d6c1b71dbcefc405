"""Every command but `serve`, as typer sees it."""

import os
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins
from rich.console import Console
from rich.text import Text

from onlycare_socket import __version__
from onlycare_socket.cli import doctor as examining
from onlycare_socket.cli import settings_page, show
from onlycare_socket.cli.backup import make_backup
from onlycare_socket.cli.call import Outcome, Plan, Step, make_call
from onlycare_socket.cli.compare import command as comparing
from onlycare_socket.cli.compare.stage import Manner
from onlycare_socket.cli.failure import EXIT_CODES, Failure
from onlycare_socket.cli.server_api import ServerApi, server_url
from onlycare_socket.cli.tokens import make_token
from onlycare_socket.cli.virtual_phone import Transport
from onlycare_socket.compiled import COMPILED
from onlycare_socket.config import ENV_FILE_VARIABLE, USUAL_FILE, look_up

app = typer.Typer(
    name="onlycare-socket",
    help="Call signalling for OnlyCare: a Socket.IO server that makes phones ring, and the tools to look after it.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _readable(env_file: str) -> str:
    """Raises SettingsError for a file that is not there, also when the command needs no setting of it."""
    look_up((), os.environ, env_file)
    return env_file


def _not_empty(text: str | None) -> str | None:
    if text is not None and not text.strip():
        raise typer.BadParameter("it is empty")
    return text


Url = Annotated[
    str | None, typer.Option("--url", help="Address of the server. Default: HOST and PORT of the settings.")
]
EnvFile = Annotated[
    str,
    typer.Option(
        "--env-file",
        help="File of settings; the environment wins over it.",
        envvar=ENV_FILE_VARIABLE,
        callback=_readable,
    ),
]
Id = Annotated[str, typer.Argument(callback=_not_empty)]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for other programs.")]


def run_command() -> None:
    """Runs the command of `sys.argv` and exits, or raises a Failure."""
    app()


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Write the version, and whether it is the compiled build.")
    ] = False,
) -> None:
    if version:
        print(f"{__version__} ({'compiled' if COMPILED else 'uncompiled'})")
        raise typer.Exit


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
def serve(arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
    """Run the server. `serve --dev` is a development server on this machine; `serve --help` lists the options."""
    from onlycare_socket.cli.serve import run_server

    raise typer.Exit(run_server(arguments or []))


@app.command(
    epilog="Example: onlycare-socket call --url https://calls.example.com --caller 5 --callee 9 "
    "--caller-token '17|...' --callee-token '18|...'"
)
def call(
    url: Url = None,
    caller: Annotated[str, typer.Option(help="User id of the one who calls.")] = "1001",
    callee: Annotated[str, typer.Option(help="User id of the one who is called.")] = "1002",
    caller_token: Annotated[str | None, typer.Option(help="Token of the caller. Default: as `token` makes it.")] = None,
    callee_token: Annotated[str | None, typer.Option(help="Token of the one called, likewise.")] = None,
    outcome: Annotated[Outcome, typer.Option(help="How the call goes.")] = "accept",
    transport: Annotated[
        Transport, typer.Option(help="`upgrade`: polling, then WebSocket, as the app does.")
    ] = "upgrade",
    call_type: Annotated[str, typer.Option(help="audio or video.")] = "audio",
    hold: Annotated[float, typer.Option(min=0, max=3600, help="Seconds an accepted call lasts.")] = 0.0,
    timeout: Annotated[float, typer.Option(min=0.1, max=120, help="Seconds each step may take.")] = 10.0,
    env_file: EnvFile = ".env",
    json: AsJson = False,
) -> None:
    """Make a whole call between two virtual phones and time every step.

    The quickest proof that a deployment works. A development server needs no tokens; for a real one give those of two
    users who are in no call.
    """
    plan = Plan(
        url=server_url(url, env_file),
        caller=caller,
        callee=callee,
        caller_token=caller_token or make_token(caller, env_file, device="caller"),
        callee_token=callee_token or make_token(callee, env_file, device="callee"),
        outcome=outcome,
        transport=transport,
        call_type=call_type,
        hold=hold,
        timeout=timeout,
    )
    steps: list[Step] = []
    call_id = make_call(plan, lambda step: _take_down(step, steps, aloud=not json))
    if json:
        show.as_json({"success": True, "callId": call_id, "steps": [to_builtins(step) for step in steps]})
    else:
        print(f"OK: {_in_short(steps)} (call {call_id})")


@app.command()
def status(url: Url = None, env_file: EnvFile = ".env", json: AsJson = False) -> None:
    """Show whether the server is well. Exits with 1 when it is not ready for calls."""
    ready, health = _api(url, env_file).health()
    (show.as_json if json else show.facts)(health)
    if not ready:
        raise Failure("the server is not ready for calls")


@app.command(
    epilog="Exit codes: 0 nothing failed (warnings allowed), 1 something failed, 2 wrong usage. Example: "
    "sudo onlycare-socket doctor --public-url https://calls.example.com --token-file token.txt"
)
def doctor(
    public_url: Annotated[
        str | None,
        typer.Option(help="The address that phones use, to check nginx and TLS as well."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="Token of a user, to connect as a phone does.", envvar="ONLYCARE_TOKEN", show_envvar=True),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File that holds the token: nobody sees it in the list of processes then.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose token it is. Default: whom Laravel names.")] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Read the settings as `serve --dev` does.")] = False,
    url: Url = None,
    env_file: EnvFile = USUAL_FILE,
    json: AsJson = False,
) -> None:
    """Check a deployment from end to end, and say what to do: one line for each thing.

    Settings, port, secret, Laravel in both directions, files and clock.
    With --public-url: nginx and TLS as phones see them.
    With a token: the whole way of a phone, whose user is online meanwhile.

    It changes nothing, and takes less than 15 seconds.
    """
    subject = examining.examined(
        env_file=env_file,
        dev=dev,
        url=url,
        public_url=public_url,
        token=token,
        token_file=token_file,
        user=user,
    )
    with Console(stderr=True).status("Checking"):
        findings = examining.examine(subject)
    if json:
        show.as_json(examining.as_fields(findings))
    else:
        examining.write(findings)
    if failed := sum(finding.mark == "fail" for finding in findings):
        raise Failure(f"{failed} of {len(findings)} checks failed")


@app.command(
    epilog="Exit codes: 0 every difference is an intended one, 1 something is unexplained, 2 wrong usage, 3 a server "
    "cannot be reached, 4 a token or the secret was refused. Example: ONLYCARE_TOKENS='5=17|... 9=18|... 12=19|...' "
    "onlycare-socket compare --old http://127.0.0.1:3001 --new http://127.0.0.1:3002"
)
def compare(
    old: Annotated[str | None, typer.Option(help="Address of the server in use now.")] = None,
    new: Annotated[str | None, typer.Option(help="Address of the server that is to take its place.")] = None,
    token: Annotated[
        list[str] | None,
        typer.Option(
            help="ID=TOKEN of a test user, the ID as the backend writes it: the caller, the receiver, a third. Give it "
            "two or three times. Default: three users of a development server.",
            envvar="ONLYCARE_TOKENS",
            show_envvar=True,
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with one ID=TOKEN on each line: nobody sees it in the list of processes.")
    ] = None,
    story: Annotated[
        list[str] | None, typer.Option(help="Play this one only, or all that begin so. May repeat.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the stories and stop.")] = False,
    with_timeouts: Annotated[
        bool, typer.Option("--with-timeouts", help="Also what takes a ring's whole time, minutes in all.")
    ] = False,
    risky: Annotated[
        bool,
        typer.Option(
            "--risky", help="Also what can crash the old server (contract section 7, row 13). Not in production."
        ),
    ] = False,
    transport: Annotated[
        Transport, typer.Option(help="`upgrade`: polling, then WebSocket, as the app does.")
    ] = "upgrade",
    patience: Annotated[
        float, typer.Option(min=0.1, max=30, help="Seconds to wait for an ack or an event that may never come.")
    ] = 1.0,
    settle: Annotated[
        float, typer.Option(min=0.01, max=5, help="Seconds to wait after each step for what should not come.")
    ] = 0.1,
    ring_timeout: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds a ring lasts, RING_TIMEOUT of both servers.")
    ] = 30.0,
    rounds: Annotated[int, typer.Option(min=0, max=50, help="Calls to measure a ring and a reject with.")] = 5,
    per_minute: Annotated[
        int, typer.Option(min=0, help="Most that a user does in a minute, below RATE_LIMIT; 0: as fast as it goes.")
    ] = 90,
    everything: Annotated[bool, typer.Option("--all", help="Also show what the new server only adds.")] = False,
    old_env_file: Annotated[
        str | None, typer.Option(help="Settings of the old server, for its secret. Default: as --env-file.")
    ] = None,
    env_file: EnvFile = USUAL_FILE,
    json: AsJson = False,
) -> None:
    """Play the same calls on the old server and on the new one, and show what changes.

    Virtual phones of two or three users play every story on both.
    What the contract wants comes with the reason, such as a row of its section 7.
    The rest is a surprise, to be understood before the switch.

    The phones of these users ring: give it test users who are in no call.
    The backend knows none of these calls, so the logs will hold complaints.
    With LARAVEL_API_SECRET set it plays what the backend asks, too.
    """
    comparing.run(
        comparing.Options(
            old=old,
            new=new,
            tokens=token or [],
            token_file=token_file,
            stories=story or [],
            manner=Manner(transport=transport, patience=patience, settle=settle, ring=ring_timeout),
            timeouts=with_timeouts,
            risky=risky,
            rounds=rounds,
            per_minute=per_minute,
            env_file=env_file,
            old_env_file=old_env_file,
        ),
        listing=listing,
        everything=everything,
        json=json,
    )


@app.command()
def users(
    user_id: Annotated[
        str | None, typer.Argument(help="One user only, with devices and when last seen.", callback=_not_empty)
    ] = None,
    url: Url = None,
    env_file: EnvFile = ".env",
    json: AsJson = False,
) -> None:
    """List the connected users."""
    api = _api(url, env_file)
    if user_id:
        (show.as_json if json else show.facts)(api.user(user_id))
    else:
        (show.as_json if json else show.users)(api.users())


@app.command()
def calls(url: Url = None, env_file: EnvFile = ".env", json: AsJson = False) -> None:
    """List live and recent calls."""
    (show.as_json if json else show.calls)(_api(url, env_file).calls())


@app.command()
def timeline(call_id: Id, url: Url = None, env_file: EnvFile = ".env", json: AsJson = False) -> None:
    """Show every step of one call: who, when, by which channel, and who was told."""
    (show.as_json if json else show.timeline)(_api(url, env_file).timeline(call_id))


@app.command()
def end(call_id: Id, url: Url = None, env_file: EnvFile = ".env", json: AsJson = False) -> None:
    """End a call for both parties."""
    (show.as_json if json else show.facts)(_api(url, env_file).end(call_id))


@app.command()
def disconnect(user_id: Id, url: Url = None, env_file: EnvFile = ".env", json: AsJson = False) -> None:
    """Close all connections of a user, who must prove again who it is: after a log-out or a revoked token."""
    (show.as_json if json else show.facts)(_api(url, env_file).disconnect(user_id))


@app.command(epilog="Example: sudo onlycare-socket backup /var/backups/calls-$(date +%F).db")
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; readable by its owner only.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    env_file: EnvFile = USUAL_FILE,
) -> None:
    """Copy the file of calls, while the server runs or not.

    To go back to a copy: stop the server, put it in the place of STORE's file with nothing beside it (-wal, -shm),
    owned by the server's user, and start.
    """
    print(f"OK: {make_backup(file, env_file, force=force)}")


@app.command()
def token(
    user_id: Id,
    device: Annotated[str | None, typer.Option(help="Development token: the same text makes the same device.")] = None,
    name: Annotated[str | None, typer.Option(help="JWT: the user's name.")] = None,
    lifetime: Annotated[float, typer.Option(min=1, help="JWT: seconds until it expires.")] = 3600,
    env_file: EnvFile = ".env",
) -> None:
    """Make a token for a user: of a development server, or with AUTH=jwt signed with JWT_SECRET."""
    print(make_token(user_id, env_file, device=device, name=name, lifetime=lifetime))


@app.command()
def settings(
    form: Annotated[
        settings_page.Form, typer.Option("--format", help="A table, docs/settings.md, or .env.example.")
    ] = "table",
    env_file: EnvFile = ".env",
) -> None:
    """List all settings: what they do, their defaults, and what is set here. Secrets are not shown."""
    settings_page.write(form, env_file)


def _api(url: str | None, env_file: str) -> ServerApi:
    return ServerApi(server_url(url, env_file), env_file)


def _take_down(step: Step, steps: list[Step], *, aloud: bool) -> None:
    steps.append(step)
    if aloud:
        line = Text.assemble((f"{step.ms:9.2f} ms  ", "bold"), (f"{step.who:<9} ", "cyan"), step.what)
        Console(highlight=False, soft_wrap=True).print(line)


def _in_short(steps: list[Step]) -> str:
    """Returns the times that matter to people: until it rang, and until the other side knew how it was answered."""
    words = {"got call:incoming": "it rang", "got call:accepted": "accepted", "got call:rejected": "rejected"}
    words |= {"got call:cancelled": "cancelled", "got call:ended": "ended"}
    return ", ".join(f"{words[step.what]} after {step.ms:g} ms" for step in steps if step.what in words)
