"""`onlycare-socket serve`: the server process. Imports neither typer nor rich, and the log before the server."""

import argparse
import errno
import os
import socket
import sys
from contextlib import closing

from onlycare_socket import logs
from onlycare_socket.cli.failure import Failure, WrongUsage
from onlycare_socket.config import ENV_FILE_VARIABLE, USUAL_FILE, Settings, SettingsError, load
from onlycare_socket.config.values import SQLITE
from onlycare_socket.logs.lean import structlog
from onlycare_socket.supervisor import Supervisor

_DESCRIPTION = "Run the server. Its settings come from the environment and from .env; docs/settings.md lists them."
_EXAMPLES = """\
examples:
  onlycare-socket serve --dev            a development server on this machine: any token `dev:<user id>` may connect
  onlycare-socket serve                  a real one; needs at least LARAVEL_API_URL and LARAVEL_API_SECRET
  onlycare-socket serve --env-file /etc/onlycare-socket/onlycare-socket.env
"""


def parser() -> argparse.ArgumentParser:
    """Returns the options of `serve`."""
    options = argparse.ArgumentParser(
        prog="onlycare-socket serve",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_argument(
        "--dev", action="store_true", help="development: static tokens, test page, known secret, loopback only"
    )
    options.add_argument("--host", metavar="ADDRESS", help="address to listen on (instead of HOST)")
    options.add_argument("--port", metavar="NUMBER", help="port to listen on (instead of PORT)")
    usual = os.environ.get(ENV_FILE_VARIABLE) or USUAL_FILE
    options.add_argument(
        "--env-file", metavar="FILE", default=usual, help=f"file of settings (default: ${ENV_FILE_VARIABLE}, else .env)"
    )
    return options


def run_server(arguments: list[str]) -> int:
    """Serves until a signal stops it. Returns the exit code.

    Raises SettingsError or WrongUsage for a wrong setting, and Failure when the server cannot listen.
    """
    given = parser().parse_args(arguments)
    with closing(Supervisor(os.environ)) as supervisor:
        try:
            return _serve(given, supervisor)
        except (SettingsError, Failure) as error:
            supervisor.failed(str(error))
            raise


def _serve(given: argparse.Namespace, supervisor: Supervisor) -> int:
    settings, warnings = load(os.environ, given.env_file, dev=given.dev, host=given.host, port=given.port)
    try:
        logs.configure(settings.log_level, settings.log_format, file=settings.log_file)
    except OSError as error:
        raise WrongUsage(f"LOG_FILE={settings.log_file}: {error.strerror}") from None
    _warn(settings, warnings)
    try:
        if settings.dev and settings.port:
            _try_port(settings)
            print(_what_to_try(settings), flush=True)

        from onlycare_socket.app import serve
        from onlycare_socket.ports import StorageError

        try:
            return serve(settings, supervisor)
        except StorageError as error:
            raise Failure(f"STORE={settings.store}: {error}") from None
    except OSError as error:
        raise _cannot_listen(error, settings) from None


def _warn(settings: Settings, warnings: list[str]) -> None:
    log = structlog.get_logger()
    for warning in warnings:
        log.warning(warning)
    if problem := settings.api_secret_problem:
        log.warning(f"{problem}, so /api and /metrics stay closed; make a secret with: openssl rand -hex 32")


def _try_port(settings: Settings) -> None:
    """Raises OSError when the port cannot be had, so that nobody is told to try what is not there."""
    family, kind, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:  # bound and never listening: no client can meet it
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _cannot_listen(error: OSError, settings: Settings) -> Exception:
    """Puts the reason why a port could not be opened into words; any other OSError is returned as it is."""
    if isinstance(error, socket.gaierror):
        return WrongUsage(f"HOST={settings.host}: this name cannot be resolved. Use an address such as 127.0.0.1")
    where = f"{settings.host}, port {settings.port}"
    reasons = {
        errno.EADDRINUSE: "it is in use. Stop the other server, or choose another one with --port or PORT",
        errno.EACCES: "that needs root. Choose a port above 1023 with --port or PORT and put nginx in front",
        errno.EADDRNOTAVAIL: "this machine has no such address. Use HOST=127.0.0.1",
    }
    reason = reasons.get(error.errno or 0)
    return Failure(f"cannot listen on {where}: {reason}") if reason else error


def _what_to_try(settings: Settings) -> str:
    name = settings.host if ":" not in settings.host else f"[{settings.host}]"
    url = f"http://{name}:{settings.port}"
    command = os.path.relpath(sys.argv[0]) if os.path.isabs(sys.argv[0]) else sys.argv[0]
    kept = "nothing is kept" if settings.store == "memory" else f"calls are kept in {settings.store[len(SQLITE) :]}"
    target = "" if (settings.host, settings.port) == ("127.0.0.1", 3001) else f" --url {url}"
    return f"""\
Development server on {url}. Ctrl-C stops it; {kept}.

  two phones in the browser   {url}/test-client
  a whole call, timed         {command} call{target}
  who and what is there       {command} users{target}   (also: status, calls, timeline CALL_ID)
  a token for user 5          {command} token 5
"""
