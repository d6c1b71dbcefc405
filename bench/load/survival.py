"""The server is restarted in the middle of calls; when everybody is back, it is asked which of them still live.

The first users call each other: every other call is accepted before the restart, the rest ring through it. The last
users watch who else is there, as an app's list of friends does, and again as soon as they are back.
"""

from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from bench.load.calls import ACCEPT, CallIds, initiate, new_run
from bench.load.frames import frame
from bench.load.packets import parse
from bench.load.phone import Server
from bench.load.reports import Unexpected
from bench.load.restart import Restart, Returning
from bench.load.stretch import go_on

WATCHERS: Final = 20
WATCHED: Final = 500
"""Users whom one watches: as many as a client may name."""
SYNC: Final = frame(b'424["call:sync",{}]')
INITIATED, ACCEPTED, SYNCED = "1", "2", "4"
"""Acks by the number of what was said."""
PATIENCE: Final = 30.0
"""Seconds within which all calls must have begun, and again within which all must have been asked about."""


class Talking(Returning):
    """A user who may be in a call, and may watch others."""

    __slots__ = ("acks", "answers", "heard", "watch")

    def __init__(self, restart: Restart, server: Server, number: int) -> None:
        super().__init__(restart, server, number)
        self.answers = b""
        """What is said to the first call that rings."""
        self.watch = b""
        """What is said at each connect."""
        self.acks: dict[str, Any] = {}
        self.heard: Counter[str] = Counter()

    def back(self) -> None:
        """Watches again, for a connection's list goes with it."""
        if self.watch:
            self.send(self.watch)

    def hear(self, packet: bytes) -> None:
        """Takes note, and answers the phone."""
        name, said = parse(packet)
        if packet.startswith(b"43"):
            self.acks[name] = said
            return
        self.heard[name] += 1
        if name == "call:incoming" and self.answers:
            self.send(self.answers)
            self.answers = b""


class LiveCall:
    """A call between two of the users, and what it is to be."""

    def __init__(self, caller: Talking, receiver: Talking, number: int, run: str) -> None:
        self.caller, self.receiver = caller, receiver
        self.state = "accepted" if number % 2 else "ringing"
        self._id, piece = CallIds(number, run).next()
        self._dial = initiate(receiver.user).around(piece)
        receiver.answers = ACCEPT.around(piece) if number % 2 else b""

    def dial(self) -> None:
        """Begins it."""
        self.caller.send(self._dial)

    @property
    def begun(self) -> bool:
        """Whether it is what it is to be, so that the server has said so to both."""
        if self.state == "ringing":
            return INITIATED in self.caller.acks and self.receiver.heard["call:incoming"] > 0
        return self.caller.heard["call:accepted"] > 0 and ACCEPTED in self.receiver.acks

    @property
    def lives(self) -> bool:
        """Whether the server says to both that it is still that."""
        return all(self._known_to(party) for party in (self.caller, self.receiver))

    def _known_to(self, party: Talking) -> bool:
        calls = party.acks[SYNCED].get("calls", ())
        return any((one["callId"].encode(), one["state"]) == (self._id, self.state) for one in calls)


class Survival:
    """Users of whom some are in calls."""

    def __init__(self, server: Server, users: int, calls: int) -> None:
        self._restart = Restart()
        self._users = [Talking(self._restart, server, number) for number in range(1, users + 1)]
        run = new_run()
        pairs = zip(self._users[: 2 * calls : 2], self._users[1 : 2 * calls : 2], strict=True)
        self._calls = [LiveCall(*pair, number, run) for number, pair in enumerate(pairs)]
        names = ",".join(f'"{user.user}"' for user in self._users[:WATCHED])
        for watcher in self._users[-WATCHERS:]:
            watcher.watch = frame(f'425["presence:watch",{{"userIds":[{names}]}}]'.encode())

    def run(self, settle: float, pid: int | None) -> dict[str, Any]:
        """Returns the figures of the restart, how many calls it cost, and how many presence events it made.

        It waits for `settle` seconds before it counts: presence is told late.
        """
        found = self._restart.run(self._users, pid, self._begin)
        go_on(self._restart.loop, settle, "settling")
        presence = sum(user.heard["user:online"] + user.heard["user:offline"] for user in self._users)
        return {**found, "calls": len(self._calls), "lost": self._lost(), "presence": presence}

    def _begin(self) -> None:
        for call in self._calls:
            call.dial()
        self._wait(lambda: all(call.begun for call in self._calls), "begin the calls")
        for user in self._users:
            user.heard.clear()
            user.back()

    def _lost(self) -> int:
        parties = [party for call in self._calls for party in (call.caller, call.receiver)]
        for party in parties:
            party.send(SYNC)
        self._wait(lambda: all(SYNCED in party.acks for party in parties), "ask about the calls")
        return sum(not call.lives for call in self._calls)

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        if not self._restart.loop.run(done, perf_counter() + PATIENCE):
            raise Unexpected(f"it took more than {PATIENCE:.0f} s to {what}")
