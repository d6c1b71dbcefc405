"""The command `onlycare-socket`.

Rule: `serve` is the server process and is kept lean, so it is dispatched here and never imports typer or rich; all
other commands are in `commands.py`. What goes wrong is one line on stderr and an exit code, never a traceback.
"""

import os
import sys

from onlycare_socket.cli.failure import Failure, Interrupted
from onlycare_socket.config import SettingsError


def main() -> None:
    """Runs the command line and leaves the process with the exit code of `failure.py`."""
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["serve"]:
            from onlycare_socket.cli.serve import run_server

            return run_server(arguments[1:])
        from onlycare_socket.cli.commands import run_command

        run_command()
        return 0
    except SettingsError as error:
        return _say_failed(Failure.settings(error))
    except Failure as failure:
        return _say_failed(failure)
    except KeyboardInterrupt:
        return Interrupted.code
    except BrokenPipeError:
        # The reader of the output left, as `head` does. Python would complain once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _say_failed(failure: Failure) -> int:
    for hint in failure.hints:
        print(f"onlycare-socket: warning: {hint}", file=sys.stderr)
    print(f"onlycare-socket: {failure}", file=sys.stderr)
    return failure.code
