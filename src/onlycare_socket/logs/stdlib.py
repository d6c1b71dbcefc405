"""Python's own `logging`, which libraries use, led into the server's log."""

import logging

from onlycare_socket.logs.lean import structlog

_AT_LEAST = {"asyncio": logging.WARNING, "aiohttp.access": logging.WARNING, "aiohttp.internal": logging.WARNING}


class _Forward(logging.Handler):
    """Hands each record on as one event."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        details = {"exc_info": record.exc_info} if record.exc_info else {}
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)  # libraries have levels between
        log.log(level, record.getMessage(), logger=record.name, **details)


def take_over(level: int) -> None:
    """Replaces the root logger's handlers, and turns warnings into records. May be called again."""
    root = logging.getLogger()
    root.handlers[:] = [_Forward()]
    root.setLevel(level)
    for name, least in _AT_LEAST.items():
        logging.getLogger(name).setLevel(max(level, least))
    logging.captureWarnings(True)
