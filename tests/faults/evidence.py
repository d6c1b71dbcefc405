"""What a record says of calls: every word of the server about the state of a call, and how each call went at last."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .record import Entry, Run

STATES: Final = ("unknown", "ringing", "accepted", "ended")
"""A call goes through these in this order and never back."""
RANK: Final = {state: rank for rank, state in enumerate(STATES)}
OF_THE_CALL: Final = frozenset(
    {
        *("completed", "cancelled", "declined", "no_answer", "unreachable", "connection_lost", "busy", "glare"),
        *("superseded", "max_duration", "expired", "terminated_by_server"),
    }
)
"""Codes of an end; the others that a device may hear are only about that device, or about its command."""
_STATE_OF: Final = {
    "call:incoming": "ringing",
    "call:ringing": "ringing",
    "call:accepted": "accepted",
    "call:rejected": "ended",
    "call:timeout": "ended",
    "call:busy": "ended",
    "call:cancelled": "ended",
    "call:ended": "ended",
}


class Said(NamedTuple):
    """One word about a call. `asked` is when it was asked for: it cannot be older. Events are not asked for."""

    at: float
    asked: float | None
    call: str
    state: str
    code: str
    user: str
    device: str
    how: str

    def __str__(self) -> str:
        code = f"/{self.code}" if self.code else ""
        return f"{self.how} at {self.at:.2f} ({self.state}{code}, {self.user or 'http'})"


class Answered(NamedTuple):
    """A command and one ack of it."""

    sent: Entry
    ack: Entry

    @property
    def took_effect(self) -> bool:
        """Whether this is the command that did it."""
        return bool(self.ack.body["success"]) and not self.ack.body.get("duplicate", False)


class Row(NamedTuple):
    """How a call went, by the server's own times in ms since 1970."""

    call: str
    state: str
    code: str
    caller: str
    receiver: str
    started: int
    accepted: int | None
    ended: int | None


def with_questions(run: Run) -> Iterator[tuple[Entry, Entry | None]]:
    """Returns every entry, and with an ack the command that it answers: of a repeated one the first."""
    sent: dict[tuple[str, str, int], Entry] = {}
    for entry in run.entries:
        key = (entry.user, entry.device, entry.number)
        if entry.what == "sent":
            sent.setdefault(key, entry)
        yield entry, sent.get(key) if entry.what == "ack" else None


def answered(run: Run) -> Iterator[Answered]:
    """Returns every ack with what it answers."""
    return (Answered(sent, entry) for entry, sent in with_questions(run) if sent is not None)


def said(run: Run) -> list[Said]:
    """Returns every word about the state of a call, in the order in which they were heard."""
    words: list[Said] = []
    for entry, sent in with_questions(run):
        words += _of_entry(entry) if sent is None else _of_ack(Answered(sent, entry))
    return words


def rows(run: Run) -> dict[str, Row]:
    """Returns the last that `/api/calls/{id}` said of each call; of an unknown one nothing."""
    last = {entry.call: entry for entry in run.entries if entry.what == "seen"}
    return {call: _row(call, entry.body) for call, entry in last.items() if entry.body.get("status") == 200}


def dialled_here(run: Run) -> dict[str, Row]:
    """Returns the rows of calls that were dialled in this record.

    A server that lives through many rounds tells of the former ones too, of which the clock may have been another one.
    """
    here = {entry.call for entry in run.entries if entry.what == "sent" and entry.event == "call:initiate"}
    return {call: row for call, row in rows(run).items() if call in here}


def _row(call: str, body: dict[str, Any]) -> Row:
    return Row(
        call,
        body["state"],
        body.get("code", ""),
        body["callerId"],
        body["receiverId"],
        body["startedAt"],
        body.get("acceptedAt"),
        body.get("endedAt"),
    )


def _of_entry(entry: Entry) -> Iterator[Said]:
    if entry.what == "told" and (state := _STATE_OF.get(entry.event)) is not None:
        code = entry.body.get("code", "")
        if code == "" or code in OF_THE_CALL:
            yield Said(entry.at, None, entry.call, state, code, entry.user, entry.device, entry.event)
    elif entry.what == "seen":
        state = entry.body.get("state", "unknown")
        yield Said(entry.at, entry.asked, entry.call, state, entry.body.get("code", ""), "", "", "/api/calls")


def _of_ack(each: Answered) -> Iterator[Said]:
    sent, ack = each
    for row in ack.body.get("calls", ()):
        yield _said(each, row["callId"], row["state"], row.get("code", ""))
    if (state := ack.body.get("state")) in STATES and state != "unknown":
        code = ack.body.get("code", "")
        yield _said(each, ack.call or sent.call, state, code if code in OF_THE_CALL else "")


def _said(each: Answered, call: str, state: str, code: str) -> Said:
    sent, ack = each
    return Said(ack.at, sent.at, call, state, code, ack.user, ack.device, f"the ack of {sent.event}")
