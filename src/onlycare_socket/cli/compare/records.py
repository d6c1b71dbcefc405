"""What was taken down while a story was played, ready to be laid beside another take."""

from typing import Any

from msgspec import Struct

from onlycare_socket.cli.compare.people import Role


class Heard(Struct, frozen=True):
    """An event that reached a phone, with what varies replaced by names."""

    event: str
    fields: dict[str, Any]


class Take(Struct, frozen=True):
    """One step as one server played it."""

    answer: dict[str, Any] | None
    """The ack, the answer to a CONNECT or to a request; None when there was none."""
    heard: dict[Role, list[Heard]]


class Latency(Struct, frozen=True, omit_defaults=True):
    """Milliseconds in the middle of a few rounds; absent when it did not come."""

    ring: float | None = None
    reject: float | None = None


class Played(Struct, frozen=True):
    """Everything one server played: the takes of each story, or why there are none."""

    takes: dict[str, list[Take]]
    left_out: dict[str, str]
    latency: Latency
