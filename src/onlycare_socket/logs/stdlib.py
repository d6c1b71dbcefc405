"""Python's own `logging`, which libraries use, led into the server's log."""

import logging

from onlycare_socket.logs.lean import structlog

_AT_LEAST = {"asyncio": logging.WARNING, "aiohttp.access": logging.WARNING, "aiohttp.internal": logging.WARNING}


class _Forward(logging.Handler):
    """Hands each record on as one event."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        if _is_bad_request(record):
            log.debug(record.getMessage(), logger=record.name, problem=str(record.exc_info and record.exc_info[1]))
            return
        details = {"exc_info": record.exc_info} if record.exc_info else {}
        log.log(min(record.levelno, logging.CRITICAL), record.getMessage(), logger=record.name, **details)


def take_over(level: int) -> None:
    """Replaces the root logger's handlers, and turns warnings into records. May be called again."""
    root = logging.getLogger()
    root.handlers[:] = [_Forward()]
    root.setLevel(level)
    for name, least in _AT_LEAST.items():
        logging.getLogger(name).setLevel(max(level, least))
    logging.captureWarnings(True)


def _is_bad_request(record: logging.LogRecord) -> bool:
    """True of what aiohttp logs, with a traceback, for every unreadable request: it is the client's mistake."""
    if record.name != "aiohttp.server" or not record.exc_info:
        return False
    return type(record.exc_info[1]).__module__.startswith("aiohttp.http")
