"""What the server answers, as tables for people."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_STATES = {"ringing": "yellow", "accepted": "green", "ended": "dim"}


def as_json(answer: object) -> None:
    """Writes an answer as the server gave it, for other programs."""
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")


def facts(answer: dict[str, Any]) -> None:
    """Shows names and values below each other."""
    table = _table("", "")
    table.show_header = False
    for name, value in answer.items():
        table.add_row(_text(_words(name), "bold"), _text(_value(name, value)))
    _print(table)


def users(answer: dict[str, Any]) -> None:
    """Shows who is connected."""
    table = _table("Connected user")
    for user in answer["users"]:
        table.add_row(_text(user))
    _print(table, f"{answer['count']} connected")


def calls(answer: dict[str, Any]) -> None:
    """Shows live and recent calls, the newest first as the server lists them."""
    table = _table("Call", "State", "Type", "Caller", "Receiver", "Started", "Lasted")
    for call in answer["calls"]:
        state = call["state"] + (f" ({call['code']})" if call.get("code") else "")
        table.add_row(
            _text(call["callId"]),
            _text(state, _STATES.get(call["state"], "")),
            _text(call["callType"]),
            _text(call["callerId"]),
            _text(call["receiverId"]),
            _text(_time(call["startedAt"])),
            _text(_duration(call.get("durationMs"))),
        )
    _print(table, f"{answer['count']} calls")


def timeline(answer: dict[str, Any]) -> None:
    """Shows every step of a call with the time since the first."""
    table = _table("Time", "After", "Step", "By", "Channel", "Told", "Detail")
    steps = answer["steps"]
    for step in steps:
        who = " ".join(str(step[key]) for key in ("by", "to", "device") if step.get(key))
        told = _value("told", step.get("told", []))
        table.add_row(
            _text(_time(step["at"])),
            Text(f"{step['at'] - steps[0]['at']} ms", justify="right"),
            _text(step["what"], "bold"),
            _text("" if told else who),
            _text(step.get("channel", "")),
            _text(f"{who} {told}" if told else ""),
            _text(_value("detail", step.get("detail", ""))),
        )
    summary = answer.get("summary")
    _print(table, f"Call {answer['callId']}" + (f": {_value('summary', summary)}" if summary else ""))


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _print(table: Table, *lines: Iterable[str]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)  # a file or a pipe has no edge to wrap at
    if table.row_count:
        console.print(table)
    for line in lines:
        console.print(_text(line))


def _text(value: object, style: str = "") -> Text:
    """Returns a text of somebody else's as it may stand on a terminal: with nothing in it that a terminal obeys."""
    return Text("".join(each if each.isprintable() else "?" for each in str(value)), style=style)


def _words(name: str) -> str:
    """Returns `connectedUsers` as `connected users`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(f"{key}={_value(key, item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_value(name, item) for item in value)
    if isinstance(value, int) and name in ("timestamp", "lastSeen"):
        return _time(value)
    return "" if value is None else str(value)


def _time(ms: int) -> str:
    """Returns local time with milliseconds; the day too when it is another one."""
    at = datetime.fromtimestamp(ms / 1000, UTC).astimezone()
    today = datetime.now(UTC).astimezone().date()
    day = "" if at.date() == today else at.strftime("%Y-%m-%d ")
    return day + at.strftime("%H:%M:%S.") + f"{at.microsecond // 1000:03}"


def _duration(ms: int | None) -> str:
    if ms is None:
        return ""
    minutes, seconds = divmod(ms // 1000, 60)
    return f"{minutes}:{seconds:02}" if ms >= 1000 else f"{ms} ms"
