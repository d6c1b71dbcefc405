"""How a command fails: one line that says what and what to do, and an exit code."""

from typing import ClassVar

from onlycare_socket.config import SettingsError

EXIT_CODES = (
    "Exit codes: 0 done, 1 it failed, 2 wrong usage or a wrong setting, 3 the server cannot be reached, "
    "4 the secret or the token was refused, 5 no such call or user."
)


class Failure(Exception):
    """The command did what it could and failed."""

    code: ClassVar[int] = 1
    hints: tuple[str, ...] = ()

    @staticmethod
    def settings(error: SettingsError) -> "Failure":
        """Returns the failure of a wrong setting, with the names that may be its cause."""
        failure = WrongUsage(str(error))
        failure.hints = tuple(error.warnings)
        return failure


class WrongUsage(Failure):
    """A wrong option or a wrong setting."""

    code = 2


class Unreachable(Failure):
    """No server answered, or something else did."""

    code = 3


class Unauthorized(Failure):
    """The server refused the operator's secret or a user's token."""

    code = 4


class NotFound(Failure):
    """The server knows no such call or user."""

    code = 5


class Interrupted(Failure):
    """Stopped with Ctrl-C; the code is the shell's for SIGINT."""

    code = 130
