"""One event as one line: JSON, or text for people."""

import json
from collections.abc import MutableMapping
from typing import Any

import msgspec

_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31;1"}


class JsonLines:
    """Renders JSON with the time, the level and the event first. What cannot be encoded becomes text."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder(enc_hook=repr)

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        line = {"time": event.pop("time"), "level": event.pop("level"), "event": event.pop("event"), **event}
        try:
            return self._encoder.encode(line).decode()
        except (UnicodeEncodeError, ValueError, TypeError, RecursionError):  # a lone surrogate, an over-long number
            return json.dumps({name: str(value) for name, value in line.items()})


class TextLines:
    """Renders `time level event name=value ...`, a traceback below it. No value can begin a line of its own."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        time, level, what = event.pop("time"), event.pop("level"), event.pop("event")
        traceback = event.pop("exception", "")
        values = "".join(f" {name}={_word(value)}" for name, value in event.items())
        line = f"{time} {self._level(level)} {_printable(str(what))}{values}"
        return f"{line}\n{traceback}" if traceback else line

    def _level(self, level: str) -> str:
        padded = f"{level:<7}"
        return f"\x1b[{_COLOURS.get(level, '0')}m{padded}\x1b[0m" if self._colours else padded


def _word(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and " " not in text else repr(text)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)
