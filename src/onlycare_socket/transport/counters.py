"""Plain integers the hot path adds to; the metrics read them."""

from collections import Counter


class Counters:
    """What one endpoint has done since it started. Never reset, never formatted here."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "closed",
        "packets_in",
        "packets_out",
        "polls",
        "refused",
        "sessions_opened",
        "upgrades",
    )

    def __init__(self) -> None:
        self.packets_in = 0
        self.packets_out = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.sessions_opened = 0
        self.upgrades = 0
        self.polls = 0
        self.refused: Counter[str] = Counter()
        """Refused requests by reason. The reasons are the server's own words, so their number is small."""
        self.closed: Counter[str] = Counter()
        """Closed sessions by reason."""
