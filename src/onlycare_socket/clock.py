"""The two clocks of the server: wall time for what people read, monotonic time for what must not jump."""

import time
from typing import Final, Protocol

from onlycare_socket.calls.ids import Millis


class Clock(Protocol):
    """Tells the time; tests pass one that they set themselves."""

    def wall(self) -> Millis:
        """Milliseconds since 1970."""

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps."""


_wall: Final = time.time
_monotonic: Final = time.monotonic


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> Millis:
        """Milliseconds since 1970, by the machine's clock."""
        return Millis(int(_wall() * 1000))

    def monotonic(self) -> float:
        """Seconds since some moment; never jumps."""
        return _monotonic()
