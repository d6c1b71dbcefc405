"""The seam between a session and what runs on top of it."""

from typing import Protocol


class Client(Protocol):
    """What runs on top of one session. Called on the event loop; may not block."""

    def text(self, packet: bytes) -> None:
        """A text message, with the `4` it begins with."""

    def binary(self, data: bytes) -> None:
        """A binary message."""

    def alarm(self, now: float) -> None:
        """The time given to `Session.set_alarm` has come."""

    def closed(self, reason: str) -> None:
        """The session is over. Comes once."""


class Nobody:
    """The client of a session that is just being made."""

    def text(self, packet: bytes) -> None:
        """Not heard."""

    def binary(self, data: bytes) -> None:
        """Not heard."""

    def alarm(self, now: float) -> None:
        """Nothing was set."""

    def closed(self, reason: str) -> None:
        """Nothing was begun."""


NOBODY = Nobody()
