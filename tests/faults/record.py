"""The record of a run: what was sent, told and done, in order, with monotonic times; one line of JSON each in a file.

`sent`, `ack` and `told` are the words between a phone and the server, `up` and `down` its connections. `struck`,
`outage` and `over` are the fault: between the last two the server could not act. `stall` says that the harness itself
stood still. `seen` is an answer of the HTTP API to what was `asked` at that time. The checks read nothing else, so a
kept record can be checked again at any time.
"""

import time
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from msgspec import Struct

_encode: Final = msgspec.json.Encoder().encode


class Facts(Struct, frozen=True, kw_only=True):
    """What a run was: how it is replayed, and what its server promised. Seconds, as everywhere in a record."""

    fault: str
    phase: str
    seed: int
    ring_timeout: float
    caller_grace: float
    call_grace: float
    wall: float
    """What to add to a time of the record to get the wall clock, in seconds since 1970."""
    slack: float = 0.0
    """How much later than the server a phone may see something, for what the fault does to it."""
    wall_jumps: bool = False
    """Whether the server's wall clock jumped, so that its own times cannot be compared."""


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `number` joins a command and its acks, `connection` counts those of one phone."""

    at: float
    what: str
    user: str = ""
    device: str = ""
    connection: int = 0
    event: str = ""
    number: int = 0
    call: str = ""
    asked: float = 0.0
    body: dict[str, Any] = {}


class Record:
    """Keeps what happens, from now on. Times are seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.wall = time.time()
        self.entries: list[Entry] = []

    def now(self) -> float:
        """Seconds since the record was begun."""
        return round(time.monotonic() - self._began, 4)

    def add(self, what: str, **fields: Any) -> None:
        """Keeps one thing that happens now."""
        self.entries.append(Entry(at=self.now(), what=what, **fields))


class Run(Struct, frozen=True):
    """A run that is over, to be checked."""

    facts: Facts
    entries: list[Entry]

    def save(self, file: Path) -> None:
        """Writes it into a file."""
        file.write_bytes(b"\n".join([_encode(self.facts), *map(_encode, self.entries), b""]))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Reads what `save` wrote. Raises OSError, or msgspec.MsgspecError for what is no record."""
        first, *rest = file.read_bytes().splitlines()
        return cls(msgspec.json.decode(first, type=Facts), [msgspec.json.decode(line, type=Entry) for line in rest])
