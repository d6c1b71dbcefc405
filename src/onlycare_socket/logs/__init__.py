"""Logs of the server: one line per event on stderr or in a file, JSON or text for a terminal, without secrets.

Rules: a line is written at once and whole, so that a killed process has lost none; writing never waits for a reader
that is stuck (the line is dropped and counted); what looks like a secret is replaced before anything is rendered.
Everything that uses Python's own `logging` (aiohttp, asyncio, warnings) takes the same way out.
"""

from typing import Literal

from onlycare_socket.logs import stdlib
from onlycare_socket.logs.file import LogFile
from onlycare_socket.logs.lean import structlog
from onlycare_socket.logs.redact import redact
from onlycare_socket.logs.render import JsonLines, TextLines
from onlycare_socket.logs.stderr import Stderr

__all__ = ["configure"]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(
    level: str = "info", form: Literal["auto", "json", "text"] = "auto", *, fd: int = 2, file: str | None = None
) -> Stderr | LogFile:
    """Sends every log line of the process to the open file `fd`, or to the one named `file`, from now on.

    `level` is the least important level that is written. `auto` means text on a terminal and JSON elsewhere.
    Returns the open end, which counts the lines it could not write. Raises OSError when `file` cannot be opened.
    """
    sink = LogFile(file) if file else Stderr(fd)
    text = form == "text" or (form == "auto" and sink.is_terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            redact,
            TextLines(colours=sink.is_terminal) if text else JsonLines(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_names: sink,
        cache_logger_on_first_use=True,
    )
    stdlib.take_over(_LEVELS[level])
    return sink
