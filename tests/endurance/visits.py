"""Users who come once: each connects, has one call with somebody who is always there, and disconnects for good."""

from itertools import cycle
from time import perf_counter
from typing import Final, NamedTuple

from bench.load.calls import (
    ACCEPT,
    ACK_OF_ANSWER,
    ACK_OF_END,
    ACK_OF_INITIATE,
    END,
    ID_LENGTH,
    REJECT,
    CallIds,
    new_run,
)
from bench.load.crowd import Crowd
from bench.load.frames import CLOSE, Template, frame
from bench.load.loop import Loop
from bench.load.phone import Server
from bench.load.reports import Unexpected
from bench.load.talk import Pair, Party, Script, Step

CANCEL: Final = Template('423["call:cancel",{"callId":"', ID_LENGTH, '"}]')
WATCH: Final = frame(b'429["presence:watch",{"userIds":["USR_1","USR_2"]}]')
ACCEPTED: Final = b'42["call:accepted"'
INCOMING: Final = b'42["call:incoming"'
WATCHED: Final = Step(b"439[", 256)
GOODBYES: Final = (b"", frame(b"41"), frame(b"1"), frame((1001).to_bytes(2, "big"), CLOSE))
"""What a visitor says before his connection ends: nothing, or DISCONNECT, or an Engine.IO or WebSocket close."""
STALLED: Final = 20.0
"""Seconds without a single visit coming to its end after which the server is given up."""
SPELL: Final = 0.5
"""Seconds between two looks at whether any did."""


class Way(NamedTuple):
    """How a call goes: what both sides hear and say, and whether the visitor leaves without hanging up."""

    visitor: Script
    host: Script
    walks_off: bool = False


WAYS: Final = (
    Way(  # the visitor hangs up
        (WATCHED, Step(ACK_OF_INITIATE, 1), Step(ACCEPTED, 2, END), Step(ACK_OF_END, 4)),
        (Step(INCOMING, 8, ACCEPT), Step(ACK_OF_ANSWER, 16), Step(b'42["call:ended"', 32)),
    ),
    Way(  # the host declines
        (WATCHED, Step(ACK_OF_INITIATE, 1), Step(b'42["call:rejected"', 2)),
        (Step(INCOMING, 8, REJECT), Step(ACK_OF_ANSWER, 16)),
    ),
    Way(  # the visitor cancels
        (WATCHED, Step(ACK_OF_INITIATE, 1, CANCEL), Step(ACK_OF_END, 4)),
        (Step(INCOMING, 8), Step(b'42["call:cancelled"', 16), Step(b'42["call:ended"', 32)),
    ),
    Way(  # the visitor's connection breaks, and the host hangs up
        (WATCHED, Step(ACK_OF_INITIATE, 1), Step(ACCEPTED, 2)),
        (Step(INCOMING, 8, ACCEPT), Step(ACK_OF_ANSWER, 16, END), Step(ACK_OF_END, 32)),
        walks_off=True,
    ),
)


class Visitor(Party):
    """One who comes and dials."""

    __slots__ = ("_walks_off",)

    def __init__(self, loop: Loop, server: Server, number: int, way: Way) -> None:
        super().__init__(loop, server, number, way.visitor)
        self._walks_off = way.walks_off

    def hear(self, packet: bytes) -> None:
        """Plays the part, and is gone in the middle of the call if that is its way."""
        super().hear(packet)
        if self._walks_off and packet.startswith(ACCEPTED):
            self.close()

    def leave(self, goodbye: bytes) -> None:
        """Is gone for good."""
        if not self._walks_off and goodbye:
            self.send(goodbye)
        self.close()


class House:
    """Hosts who stay, and with each of them one visitor after the other. No user comes twice, no call id either."""

    def __init__(self, port: int, hosts: int) -> None:
        self._loop = Loop()
        self._server = Server(port)
        self._hosts = [Party(self._loop, self._server, number, ()) for number in range(1, hosts + 1)]
        run = new_run()
        self._ids = [CallIds(number, run) for number in range(hosts)]
        # Four ways and five goodbyes, so that each meets each.
        self._ways, self._goodbyes = cycle(WAYS), cycle((*GOODBYES, GOODBYES[0]))
        self._users = hosts
        self._begun = self._wanted = self._over = 0

    def open(self) -> None:
        """Has the hosts connected."""
        Crowd(self._loop, self._hosts).connect()

    def take(self, visits: int) -> None:
        """Returns after so many visits more. Raises Unexpected when one goes wrong, or the server stands still."""
        self._wanted += visits
        for number in range(min(visits, len(self._hosts))):
            self._visit(number)
        moved = perf_counter()
        while self._over < self._wanted:
            before = self._over
            self._loop.run(lambda: self._over >= self._wanted, perf_counter() + SPELL)
            moved = perf_counter() if self._over > before else moved
            if perf_counter() > moved + STALLED:
                raise Unexpected(f"after {self._over} visits none came to its end in {STALLED:.0f} s")

    def rest(self, seconds: float) -> None:
        """Has the hosts do nothing but answer heartbeats for so long."""
        self._loop.run(lambda: False, perf_counter() + seconds)

    def close(self) -> None:
        """Ends the hosts' connections."""
        for host in self._hosts:
            host.close()

    def _visit(self, host: int) -> None:
        self._begun += 1
        self._users += 1
        way = next(self._ways)
        visitor = Visitor(self._loop, self._server, self._users, way)
        self._hosts[host].script = way.host
        pair = Pair(visitor, self._hosts[host], self._ids[host], lambda _: self._goes(visitor, host))

        def arrived() -> None:
            visitor.send(WATCH)
            pair.dial()

        visitor.open(arrived)

    def _goes(self, visitor: Visitor, host: int) -> None:
        visitor.leave(next(self._goodbyes))
        self._over += 1
        if self._begun < self._wanted:
            self._visit(host)
