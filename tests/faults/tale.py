"""Records made by hand, for the tests of the checks."""

from typing import Any

from .checks import check
from .record import Entry, Facts, Run

WALL = 1_790_000_000.0
ANA, BEA = "USR_1", "USR_2"
RING = 3.0


class Tale:
    """A record made by hand. `at` is the time of what comes next, in seconds."""

    def __init__(self, **facts: Any) -> None:
        told: dict[str, Any] = {"fault": "none", "phase": "ringing", "seed": 1, "ring_timeout": RING, "wall": WALL}
        told |= {"caller_grace": 2.0, "call_grace": 3.0, "slack": 0.5}
        self.facts = Facts(**(told | facts))
        self.entries: list[Entry] = []
        self.at = 1.0
        self._number = 0

    def add(self, what: str, **fields: Any) -> None:
        self.entries.append(Entry(at=self.at, what=what, **fields))
        self.at = round(self.at + 0.01, 4)

    def ask(self, user: str, event: str, call: str, *, device: str = "1", **ack: Any) -> None:
        """A command and its ack."""
        self.send(user, event, call, device=device)
        self.ack(user, call, device=device, **ack)

    def send(self, user: str, event: str, call: str, *, device: str = "1") -> None:
        self._number += 1
        self.add("sent", user=user, device=device, connection=1, event=event, number=self._number, call=call)

    def ack(self, user: str, call: str, *, device: str = "1", success: bool = True, **body: Any) -> None:
        ack = {"success": success, "callId": call, **body}
        self.add("ack", user=user, device=device, connection=1, number=self._number, call=call, body=ack)

    def tell(self, user: str, event: str, call: str, code: str = "", *, device: str = "1", connection: int = 1) -> None:
        body = {"callId": call, **({"code": code} if code else {})}
        self.add("told", user=user, device=device, connection=connection, event=event, call=call, body=body)

    def dial(self, call: str, caller: str = ANA, receiver: str = BEA) -> float:
        """Rings; returns when."""
        began = self.at
        self.ask(caller, "call:initiate", call, state="ringing")
        self.tell(receiver, "call:incoming", call)
        return began

    def see(self, call: str, started: float, ended: float | None, code: str = "", **row: Any) -> None:
        """What `/api/calls/{id}` says: times of the record."""
        body: dict[str, Any] = {
            "status": 200,
            "state": "ended" if ended else "ringing",
            "callerId": ANA,
            "receiverId": BEA,
            "startedAt": ms(started),
        }
        if ended:
            body |= {"endedAt": ms(ended), "code": code}
        self.add("seen", event="/api/calls", call=call, asked=self.at, body=body | row)

    def miss(self, call: str) -> None:
        """What `/api/calls/{id}` says of an unknown call."""
        self.add("seen", event="/api/calls", call=call, asked=self.at, body={"status": 404, "error": "Call not found"})

    def rest(self) -> None:
        self.add("health", body={"status": "OK", "activeCalls": 0})

    @property
    def run(self) -> Run:
        return Run(self.facts, self.entries)

    def broken(self) -> list[str]:
        """The names of the checks that find something."""
        return list(dict.fromkeys(each.check for each in check(self.run)))


def ms(at: float) -> int:
    """Returns a time of the record as the server writes it."""
    return round((WALL + at) * 1000)


def talk(tale: Tale, call: str = "CALL_1") -> None:
    """A call as it should be: it rings on two devices, is accepted on one, and the caller hangs up."""
    began = tale.dial(call)
    tale.tell(BEA, "call:incoming", call, device="2")
    tale.ask(BEA, "call:accept", call, state="accepted")
    answered = tale.at
    tale.tell(ANA, "call:accepted", call)
    tale.tell(BEA, "call:cancelled", call, "answered_elsewhere", device="2")
    tale.tell(BEA, "call:ended", call, "answered_elsewhere", device="2")
    tale.ask(ANA, "call:end", call, state="ended")
    tale.tell(BEA, "call:ended", call, "completed")
    tale.see(call, began, tale.at, "completed", acceptedAt=ms(answered))


def time_out(tale: Tale, call: str = "CALL_1", *, after: float = RING + 0.1, code: str = "no_answer") -> None:
    """A call that nobody answers."""
    began = tale.dial(call)
    ended = tale.at = began + after
    tale.tell(ANA, "call:timeout", call, code)
    tale.tell(BEA, "call:cancelled", call, code)
    tale.tell(BEA, "call:ended", call, code)
    tale.see(call, began, ended, code)


def decline(tale: Tale, call: str = "CALL_1") -> None:
    """A call that is declined."""
    began = tale.dial(call)
    tale.ask(BEA, "call:reject", call, state="ended")
    tale.tell(ANA, "call:rejected", call, "declined")
    tale.see(call, began, tale.at, "declined")
