"""Lays two takes of a story beside each other and says which differences are meant to be.

A difference is intended when the new server does in that step what the contract promises, and the story excuses it or
the new server only adds to what the old one did. Everything else is a surprise.
"""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct

from onlycare_socket.cli.compare.reasons import ADDED, Reason
from onlycare_socket.cli.compare.records import Heard, Take
from onlycare_socket.cli.compare.steps import Promise, Say, Step, Story

Kind = Literal["added", "removed", "changed"]
Fields = Mapping[str, Any]


class Outcome(StrEnum):
    """How a story compares; the worst of its differences counts."""

    SAME = "same"
    MORE = "more"
    """The new server only adds what the contract lets it add."""
    INTENDED = "intended"
    SURPRISE = "surprise"
    LEFT_OUT = "left out"


class Difference(Struct, frozen=True, omit_defaults=True):
    """One thing that the two servers did differently."""

    step: str
    item: str
    """`ack`, `answer`, or who heard it."""
    kind: Kind
    field: str = ""
    """Of an answer or an event that both gave; empty when one server gave none at all."""
    old: Any = None
    new: Any = None
    reason: Reason | None = None
    """Why it is meant to be; a surprise has none."""

    @property
    def surprising(self) -> bool:
        """Whether nothing explains it."""
        return self.reason is None


class Verdict(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the comparison of one story came to."""

    name: str
    about: str
    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    left_out: str = ""
    """Why it was not compared."""


def judge(story: Story, old: list[Take], new: list[Take]) -> Verdict:
    """Returns what two takes of a story come to."""
    steps = zip(story.steps, old, new, strict=True)
    differences = tuple(difference for step, before, after in steps for difference in _of_step(step, before, after))
    return Verdict(story.name, story.about, _outcome(differences), differences)


def broken_promises(step: Step, new: Take) -> Iterator[str]:
    """Yields the items of a step in which the new server does not do what the contract promises."""
    answer = new.answer or {}
    if not all(_kept(promised, answer.get(name)) for name, promised in step.answer.items()):
        yield "answer"
    for role in {*step.hears, *new.heard}:
        if tuple(heard.event for heard in new.heard.get(role, [])) != step.hears.get(role, ()):
            yield role.value


def _outcome(differences: tuple[Difference, ...]) -> Outcome:
    if any(difference.surprising for difference in differences):
        return Outcome.SURPRISE
    if all(difference.reason is ADDED for difference in differences):
        return Outcome.MORE if differences else Outcome.SAME
    return Outcome.INTENDED


class _Found(Struct):
    """A difference before it is judged."""

    key: str
    """The item as `Step.why` names it."""
    field: str
    kind: Kind
    old: Any
    new: Any


def _of_step(step: Step, old: Take, new: Take) -> Iterator[Difference]:
    broken = set(broken_promises(step, new))
    for found in _found(old, new):
        yield Difference(
            step.title,
            _shown(step, found),
            found.kind,
            found.field,
            found.old,
            found.new,
            None if found.key in broken else _reason(step, found),
        )


def _kept(promised: Any, value: Any) -> bool:
    if promised is Promise.PRESENT:
        return value is not None
    if promised is Promise.ABSENT:
        return value is None
    return type(value) is type(promised) and bool(value == promised)


def _reason(step: Step, found: _Found) -> Reason | None:
    """Returns what excuses a difference of an item that keeps its promise."""
    exact = step.why.get(f"{found.key}.{found.field}")
    if exact is not None:
        return exact
    if found.key in step.why and _covered(step, found):
        return step.why[found.key]
    return ADDED if found.kind == "added" else None


def _covered(step: Step, found: _Found) -> bool:
    """The excuse of an item covers what came or did not, and promised fields of an answer; no value in an event."""
    if not found.field:
        return True
    return found.key == "answer" and (found.kind == "added" or found.field in step.answer)


def _found(old: Take, new: Take) -> Iterator[_Found]:
    if (old.answer is None) != (new.answer is None):
        yield _Found("answer", "", "removed" if new.answer is None else "added", old.answer, new.answer)
    elif old.answer is not None and new.answer is not None:
        yield from _fields("answer", old.answer, new.answer)
    for role in sorted({*old.heard, *new.heard}):
        yield from _events(role.value, old.heard.get(role, []), new.heard.get(role, []))


def _events(role: str, old: list[Heard], new: list[Heard]) -> Iterator[_Found]:
    """Yields what one phone heard of one server only, and other fields of what it heard of both."""
    names = [heard.event for heard in old], [heard.event for heard in new]
    for what, i, i_end, j, j_end in SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        if what == "equal":
            for before, after in zip(old[i:i_end], new[j:j_end], strict=True):
                yield from _fields(role, before.fields, after.fields, before.event)
            continue
        for before in old[i:i_end]:
            yield _Found(role, "", "removed", before, None)
        for after in new[j:j_end]:
            yield _Found(role, "", "added", None, after)


def _fields(key: str, old: Fields, new: Fields, event: str = "") -> Iterator[_Found]:
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield _Found(key, name, "removed", _part(event, name, old), None)
        elif name not in old:
            yield _Found(key, name, "added", None, _part(event, name, new))
        elif old[name] != new[name] or type(old[name]) is not type(new[name]):
            yield _Found(key, name, "changed", _part(event, name, old), _part(event, name, new))


def _part(event: str, name: str, fields: Fields) -> Any:
    return Heard(event, {name: fields[name]}) if event else {name: fields[name]}


def _shown(step: Step, found: _Found) -> str:
    if found.key != "answer":
        return f"{found.key} hears"
    return "ack" if isinstance(step, Say) else "answer"
