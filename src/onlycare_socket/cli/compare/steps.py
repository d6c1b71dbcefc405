"""What stories are made of.

Rules
- A step is what somebody does: a phone connects, leaves, says something; the backend asks by HTTP; all wait.
- `answer` and `hears` are what the contract promises of the step, as far as it matters. They decide how long to wait,
  and whether the new server may be excused: a difference that breaks a promise is never an intended one. Nothing is
  expected of the old server.
- `why` excuses what the new server leaves out or says differently, item by item: `answer` (its promised fields), a role
  (events that came or did not), `role.field` and `answer.field` (a value). What is only added needs no excuse.
- Texts in <> stand for the ids of a run (`names.py`).
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from msgspec import Struct

from onlycare_socket.cli.compare.people import Role
from onlycare_socket.cli.compare.reasons import Reason
from onlycare_socket.cli.virtual_phone import Transport

Events = tuple[str, ...]


class Promise(Enum):
    """What is promised of a field when its value is not."""

    ABSENT = "absent"
    PRESENT = "present"


class Step(Struct, frozen=True, kw_only=True):
    """What all steps have."""

    answer: Mapping[str, Any] = {}
    hears: Mapping[Role, Events] = {}
    why: Mapping[str, Reason] = {}
    within: float | None = None
    """Seconds in which the first promised event may come, where that is longer than usual."""

    @property
    def title(self) -> str:
        """The step in words."""
        raise NotImplementedError


class Say(Step, frozen=True, kw_only=True):
    """A phone emits an event."""

    who: Role
    event: str
    payload: tuple[Any, ...]
    acked: bool = True
    """Whether it asks for an ack."""
    note: str = ""

    @property
    def title(self) -> str:
        return f"{self.who}: {self.event}{f' {self.note}' if self.note else ''}"


class Arrive(Step, frozen=True, kw_only=True):
    """A phone connects."""

    who: Role
    auth: Mapping[str, Any] | None = None
    """What it proves itself with; None: its own token and id."""
    transport: Transport | None = None
    note: str = ""

    @property
    def title(self) -> str:
        return f"{self.who} connects{f' {self.note}' if self.note else ''}"


class Leave(Step, frozen=True, kw_only=True):
    """A phone disconnects."""

    who: Role

    @property
    def title(self) -> str:
        return f"{self.who} disconnects"


class Ask(Step, frozen=True, kw_only=True):
    """The backend asks by HTTP."""

    path: str
    body: Mapping[str, Any] | None = None
    """With a body it is a POST."""
    secret: bool = True
    note: str = ""

    @property
    def method(self) -> Literal["GET", "POST"]:
        return "GET" if self.body is None else "POST"

    @property
    def title(self) -> str:
        return f"{self.method} {self.path}{f' {self.note}' if self.note else ''}"


class Wait(Step, frozen=True, kw_only=True):
    """Time passes until everything promised came; with nothing promised, all of it."""

    ring: bool = False
    """The time is that of a whole ring and a little more, instead of `within`."""
    what: str = "time passes"

    @property
    def title(self) -> str:
        return self.what


class Story(Struct, frozen=True, kw_only=True):
    """A few steps that belong together, and what they need."""

    name: str
    about: str
    steps: tuple[Step, ...]
    third: bool = False
    """Needs a third user."""
    numbered: bool = False
    """Needs users whose ids are numbers."""
    secret: bool = False
    """Needs the secret of both servers."""
    slow: bool = False
    """Takes as long as a ring or longer."""
    risky: bool = False
    """May crash the old server."""
    presence: bool = False
    """Is about who is online: only here such events are taken down, as the caller hears them."""
