"""Why a difference is meant to be: the rows of contract section 7, and its other sections."""

from msgspec import Struct

ROWS = {
    1: "a call to an offline receiver was not registered",
    2: "a reject by REST reached the caller late",
    3: "a reject that overtook the initiate was lost",
    4: "CALL_17 and 17 were two calls",
    5: "other forms of a user's id were refused",
    6: "the ring timer cut a call that was accepted by REST",
    7: "busy looked at ringing calls only",
    8: "one socket per user: closing the old one ended the call",
    9: "a network blip ended a healthy call",
    10: "the receiver kept ringing when the caller vanished",
    11: "a restart lost every call",
    12: "anybody could accept, end or reject anybody's call",
    13: "an event without an ack could crash the process",
    14: "accept and cancel at the same moment left both stuck",
    15: "an accept after the end brought the call back or stayed unanswered",
    16: "a second end was billed twice",
    17: "a 429 of Laravel locked users out",
    18: "a socket reject waited for Laravel",
    19: "failed Laravel updates went unnoticed",
    20: "nobody could tell what happened to a call",
}
"""What the old server got wrong, by row."""

_SECTIONS = {
    2: "commands and their acks",
    3: "events",
    4: "HTTP",
    5: "presence",
}


class Reason(Struct, frozen=True, omit_defaults=True):
    """What explains a difference."""

    text: str
    row: int | None = None
    section: int | None = None

    def __str__(self) -> str:
        return f"row {self.row}: {self.text}" if self.row else f"section {self.section}, {self.text}"


def row(number: int) -> Reason:
    """Returns a row of contract section 7."""
    return Reason(ROWS[number], row=number)


def section(number: int, text: str = "") -> Reason:
    """Returns another section of the contract, with what it says there."""
    return Reason(text or _SECTIONS[number], section=number)


ADDED = Reason("the contract adds it")
"""The new server says more than the old one, and what the contract promises."""
