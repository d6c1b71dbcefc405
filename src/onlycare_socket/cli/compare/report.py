"""What the comparison came to: for people a table of old and new for each story that differs, for programs JSON."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from msgspec import to_builtins
from rich.console import Console
from rich.table import Table
from rich.text import Text

from onlycare_socket.cli.compare.reasons import ADDED, row
from onlycare_socket.cli.compare.records import Heard, Latency
from onlycare_socket.cli.compare.steps import Story
from onlycare_socket.cli.compare.tour import Comparison
from onlycare_socket.cli.compare.verdicts import Difference, Outcome, Verdict

Key = TypeVar("Key", bound=Hashable)

_WIDTH = 160
"""Columns in a file or a pipe, which have no edge."""
_SLOW = 100.0
"""Milliseconds within which the caller is to know of a reject."""
_COLOURS = {
    Outcome.SAME: "green",
    Outcome.MORE: "green",
    Outcome.INTENDED: "yellow",
    Outcome.SURPRISE: "bold red",
    Outcome.LEFT_OUT: "dim",
}
_WORDS = {
    Outcome.SAME: "same",
    Outcome.MORE: "same, and the new server says more",
    Outcome.INTENDED: "differs as intended",
    Outcome.SURPRISE: "SURPRISE",
    Outcome.LEFT_OUT: "left out",
}


def print_stories(stories: Iterable[Story]) -> None:
    """Lists what can be played, and what a story needs."""
    table = _table("Story", "What is played", "Needs")
    for story in stories:
        needs = {
            "a third user": story.third,
            "the secret": story.secret,
            "--with-timeouts": story.slow,
            "--risky": story.risky,
        }
        table.add_row(
            Text(story.name, style="bold"), Text(story.about), Text(", ".join(name for name in needs if needs[name]))
        )
    _console().print(table)


def print_comparison(comparison: Comparison, old: str, new: str, *, everything: bool) -> None:
    """Shows every story; of its differences those that are more than additions, or `everything`."""
    console = _console()
    servers = _two_columns()
    servers.add_row("", Text(f"old: {old}", style="bold"), Text(f"new: {new}", style="bold"))
    console.print(servers)
    for verdict in comparison.verdicts:
        _print_verdict(console, verdict, everything)
    console.print()
    if comparison.rounds:
        _print_latency(console, comparison.old, comparison.new)
    console.print(_summary(comparison.verdicts))


def as_builtins(comparison: Comparison) -> dict[str, Any]:
    """Returns the comparison for JSON."""
    return {
        "surprises": comparison.surprises,
        "outcomes": {outcome.value: count for outcome, count in _counts(comparison.verdicts).items()},
        "latencyMs": {"old": to_builtins(comparison.old), "new": to_builtins(comparison.new)},
        "stories": [
            to_builtins(verdict) | {"differences": [_builtin(one) for one in verdict.differences]}
            for verdict in comparison.verdicts
        ],
    }


def _builtin(difference: Difference) -> dict[str, Any]:
    fields: dict[str, Any] = to_builtins(difference)
    return fields | {"surprising": difference.surprising}


def _print_verdict(console: Console, verdict: Verdict, everything: bool) -> None:
    heading = Text.assemble((f"{verdict.name:<28} ", "bold"), (_WORDS[verdict.outcome], _COLOURS[verdict.outcome]))
    console.print(heading.append(f": {verdict.left_out}" if verdict.left_out else ""))
    shown = [one for one in verdict.differences if everything or one.reason is not ADDED]
    for (step, why), differences in _grouped(shown, lambda one: (one.step, str(one.reason or ""))).items():
        reason = Text(why, style="yellow") if why else Text("nothing explains it", style="bold red")
        console.print(Text.assemble("  ", (step, "bold"), ": ", reason))
        console.print(_old_and_new(differences))
    if shown and len(shown) < len(verdict.differences):
        more = len(verdict.differences) - len(shown)
        console.print(Text(f"  and {more} more that the contract only adds: --all shows them", style="dim"))


def _old_and_new(differences: list[Difference]) -> Table:
    """Returns the two columns; fields of one answer or of one event share a line."""
    table = _two_columns()
    for (item, *_), line in _grouped(differences, _line).items():
        old = [one.old for one in line if one.old is not None]
        new = [one.new for one in line if one.new is not None]
        table.add_row(Text(f"    {item}", style="cyan"), Text(_joined(old)), Text(_joined(new)))
    return table


def _two_columns() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column(min_width=18)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    return table


def _line(difference: Difference) -> tuple[object, ...]:
    """Says what shares a line; what is no field stands alone."""
    value = difference.old if difference.old is not None else difference.new
    event = value.event if isinstance(value, Heard) else ""
    return difference.item, event, bool(difference.field) or id(difference)


def _grouped(differences: Iterable[Difference], key: Callable[[Difference], Key]) -> dict[Key, list[Difference]]:
    groups: dict[Key, list[Difference]] = {}
    for difference in differences:
        groups.setdefault(key(difference), []).append(difference)
    return groups


def _joined(values: list[Any]) -> str:
    if not values:
        return "-"
    if isinstance(values[0], Heard):
        fields = {name: value for heard in values for name, value in heard.fields.items()}
        return f"{values[0].event} {_value(fields)}".strip()
    return " ".join(_value(value) for value in values)


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Heard):
        return f"{value.event} {_value(value.fields)}".strip()
    if isinstance(value, dict):
        return " ".join(f"{name}={_inner(inner)}" for name, inner in value.items())
    return str(value)


def _inner(value: Any) -> str:
    """Returns a value as JSON would have it, without the quotes of a text."""
    words = {None: "null", True: "true", False: "false"}
    return words.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)


def _print_latency(console: Console, old: Latency, new: Latency) -> None:
    table = _table("Median", "Old", "New", "")
    table.add_row("until it rings", _ms(old.ring), _ms(new.ring))
    waited = (new.reject or _SLOW) < _SLOW <= (old.reject or _SLOW)
    why = Text(str(row(18)), style="yellow") if waited else ""
    table.add_row("until the caller knows of a reject", _ms(old.reject), _ms(new.reject), why)
    console.print(table)


def _ms(value: float | None) -> str:
    return "did not come" if value is None else f"{value:.1f} ms"


def _summary(verdicts: Iterable[Verdict]) -> Text:
    counts = _counts(verdicts)
    words = [f"{count} {_WORDS[outcome]}" for outcome, count in counts.items() if count]
    text = Text(f"{sum(counts.values())} stories: " + "; ".join(words))
    return text.append("" if counts[Outcome.SURPRISE] else "; nothing unexplained")


def _counts(verdicts: Iterable[Verdict]) -> dict[Outcome, int]:
    counted = Counter(verdict.outcome for verdict in verdicts)
    return {outcome: counted[outcome] for outcome in Outcome}


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)
