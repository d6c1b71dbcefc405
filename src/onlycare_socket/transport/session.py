"""One Engine.IO session: the pure machine of `wire.session` with a transport under it and an application above.

Outgoing packets wait in `queued` until the end of the loop's tick; then one write takes them all. On long polling they
wait there for the next poll, and on the way from polling to WebSocket they simply stay: whichever transport is
there next takes them, in order.
"""

import math
from typing import TYPE_CHECKING, Final

import structlog

from onlycare_socket.transport.layer import NOBODY, Client
from onlycare_socket.transport.probes import Answered, Probes
from onlycare_socket.transport.websocket import WebSocket
from onlycare_socket.wire.engineio import (
    CLOSE,
    MESSAGE,
    NOOP,
    PING,
    POLLED_AT_ONCE,
    PROBE_ANSWER,
    Binary,
    Packet,
)
from onlycare_socket.wire.session import CLOSED, INBOUND, Due, Happening, Inbound, Machine

if TYPE_CHECKING:
    from onlycare_socket.transport.engine import EngineServer
    from onlycare_socket.transport.polling import Polling

log = structlog.get_logger("onlycare_socket.transport")

PACKET_OVERHEAD: Final = 48
"""Bytes a waiting packet costs beside its data, so that many tiny ones are counted for what they are."""

SHUTTING_DOWN = "server shutting down"


class Session:
    """One client, whatever transport it uses."""

    __slots__ = (
        "_bytes_left",
        "_packets_left",
        "_probes",
        "_queued_size",
        "_window_end",
        "address",
        "alarm_at",
        "client",
        "engine",
        "last_packet",
        "machine",
        "packets_in",
        "polling",
        "queued",
        "rejected",
        "sid",
        "slot",
        "upgrading",
        "websocket",
    )

    def __init__(self, engine: "EngineServer", sid: str, address: str, machine: Machine, now: float) -> None:
        self.engine = engine
        self.sid = sid
        self.address = address
        self.machine = machine
        self.websocket: WebSocket | None = None
        self.upgrading: WebSocket | None = None
        self.polling: Polling | None = None
        self.client: Client = NOBODY
        """What runs on top: set by the engine before the first packet."""
        self.alarm_at = math.inf
        """When the client wants its `alarm` called; set it with `set_alarm`."""
        self.last_packet = now
        """Loop time of the newest packet of any kind from the client."""
        self.packets_in = 0
        self.rejected = False
        """Whether the session was ended because of what the client did."""
        self.slot = -1
        self.queued: list[Packet] = []
        """Packets for the client that no transport has taken yet."""
        self._queued_size = 0
        self._probes: Probes | None = None
        self._window_end = now + engine.options.window
        self._packets_left = engine.packets_allowed
        self._bytes_left = engine.bytes_allowed

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self.machine.phase is CLOSED

    @property
    def transport(self) -> str:
        """`websocket` or `polling`, as it is now."""
        return "polling" if self.websocket is None else "websocket"

    # To the client.

    def send(self, packet: Packet) -> None:
        """Queue a packet; it leaves at the end of this tick, or with the next poll."""
        if self.machine.phase is CLOSED:
            return
        if not self.queued:
            self.engine.outgoing.add(self)
        self.queued.append(packet)
        if self.polling is not None:
            self._queued_size += len(packet) + PACKET_OVERHEAD
            if self._queued_size > self.engine.options.max_queued:
                self.queued = []
                self.reject("slow reader")

    def flush(self) -> None:
        """Hand what is queued to the transport, if it can take it now."""
        if self.websocket is not None:
            if self.queued:
                self.websocket.send_all(self.take_queued())
        elif self.polling is not None and self.queued:
            self.polling.flush()

    def take_queued(self) -> list[Packet]:
        """What is queued, for the transport that carries it away; to a poll no more than its client takes at once."""
        packets, self.queued, self._queued_size = self.queued, [], 0
        if self.polling is not None and len(packets) > POLLED_AT_ONCE:
            packets, self.queued = packets[:POLLED_AT_ONCE], packets[POLLED_AT_ONCE:]
            self._queued_size = sum(map(len, self.queued)) + PACKET_OVERHEAD * len(self.queued)
        counters = self.engine.counters
        counters.packets_out += len(packets)
        counters.bytes_out += sum(map(len, packets))
        return packets

    def probe(self, timeout: float, done: Answered) -> None:
        """Find out whether the client is really there.

        `done(True)` when any packet of it arrives first; `done(False)` after `timeout` seconds or when the session
        closes. Sends a ping, unless one is outstanding already: then its pong counts.
        """
        if self.closed:
            done(False)
            return
        now = self.engine.time()
        if self._probes is None:
            self._probes = Probes()
        self._probes.add(now + timeout, done)
        if self.machine.begin_ping(now):
            self.send(PING)
        self._reschedule()

    def close(self, reason: str = "server close") -> None:
        """End the session from this side: what is queued leaves first, then the transport closes.

        A client between two polls gets the rest, and the close, with its next poll.
        """
        self._end(reason, CLOSE, keep_for_next_poll=True)

    # From the client. A session is the `Receiver` of its WebSocket.

    def receive(self, packet: Packet) -> None:
        """One packet of the client, on whatever transport."""
        if not self.spend(len(packet)):
            return
        self.packets_in += 1
        if self._probes is not None:
            self._answer_probes(True)
        if type(packet) is Binary:
            self.client.binary(packet)
        elif packet[:1] == MESSAGE:
            self.client.text(packet)
        else:
            self._control(INBOUND.get(packet[:1]))

    def spend(self, size: int) -> bool:
        """Count something of the client against its budget; False when that closed the session, or it was closed."""
        if self.machine.phase is CLOSED:
            return False
        engine = self.engine
        counters = engine.counters
        counters.packets_in += 1
        counters.bytes_in += size
        now = self.last_packet = engine.time()
        if now >= self._window_end:
            self._window_end = now + engine.options.window
            self._packets_left = engine.packets_allowed
            self._bytes_left = engine.bytes_allowed
        self._packets_left -= 1
        self._bytes_left -= size
        if self._packets_left < 0 or self._bytes_left < 0:
            self.reject("packet budget")
            return False
        return True

    def reject(self, reason: str) -> None:
        """End the session because of what the client did; it gets no second chance to poll."""
        if not self.closed:
            self.rejected = True
            log.info("client rejected", reason=reason, address=self.address)
            self._end(reason, CLOSE)

    def lost(self, reason: str) -> None:
        """The transport is gone. No effect on a session that has ended already."""
        if self.closed:
            return
        self.websocket = None
        self.queued = []
        self._end(reason, CLOSE)

    def fail(self) -> None:
        """End the session because of a fault of this server. What is queued is dropped: it may be the cause."""
        self.queued = []
        self._end("server error", CLOSE, abort=True)

    # The way from polling to WebSocket.

    def begin_upgrade(self, websocket: WebSocket) -> bool:
        """Whether this WebSocket may try to take over; if not, the caller closes it."""
        if not self.machine.step(Happening.SOCKET_OPENED, self.engine.time()):
            return False
        self.upgrading = websocket
        self._reschedule()
        return True

    def probed(self, websocket: WebSocket) -> None:
        """The client asks whether packets come through. The open poll ends, so that the client can stop polling."""
        self.machine.step(Happening.PROBE, self.engine.time())
        websocket.send(PROBE_ANSWER)
        if self.polling is not None:
            self.polling.release()

    def complete_upgrade(self, websocket: WebSocket) -> bool:
        """The client has stopped polling: the WebSocket takes over. False when it never probed."""
        if not self.machine.step(Happening.UPGRADE, self.engine.time()):
            return False
        polling, self.polling, self.upgrading = self.polling, None, None
        self.websocket = websocket
        if polling is not None:
            polling.retire()
        self.engine.counters.upgrades += 1
        self.flush()
        return True

    def upgrade_lost(self) -> None:
        """The WebSocket that tried to take over is gone; polling goes on."""
        self.upgrading = None
        self.machine.step(Happening.SOCKET_LOST, self.engine.time())

    # Time.

    def set_alarm(self, when: float) -> None:
        """Have the client's `alarm` called at loop time `when`; `math.inf` for never."""
        self.alarm_at = when
        self.engine.wheel.place(self, when)

    def due(self, now: float) -> float:
        """Do what the wheel's time asks for."""
        if self.closed:
            return math.inf
        while (due := self.machine.tick(now)) is not None:
            if due is Due.PING:
                self.send(PING)
            elif due is Due.PING_TIMEOUT:
                self._end("ping timeout", CLOSE, abort=True)
                return math.inf
            elif self.upgrading is not None:
                self.upgrading.close()
        if self._probes is not None:
            self._probes.expire(now)
        if self.alarm_at <= now:
            self.alarm_at = math.inf
            self.client.alarm(now)
        return math.inf if self.closed else self._next_due()

    def _next_due(self) -> float:
        first = min(self.machine.next_due(), self.alarm_at)
        return first if self._probes is None else min(first, self._probes.next_due())

    def _reschedule(self) -> None:
        if not self.closed:
            self.engine.wheel.place(self, self._next_due())

    # Inside.

    def _control(self, kind: Inbound | None) -> None:
        if kind is Inbound.PONG:
            self.machine.pong(self.last_packet)
            self._reschedule()
        elif kind is Inbound.CLOSE:
            self._end("transport close", NOOP)
        elif kind is None:
            self.reject("parse error")

    def _answer_probes(self, there: bool) -> None:
        probes, self._probes = self._probes, None
        if probes is not None:
            probes.answer(there)

    def _end(self, reason: str, last: Packet, *, keep_for_next_poll: bool = False, abort: bool = False) -> None:
        """Close once: tell the client in its transport's way, then what runs on top."""
        if not self.machine.step(Happening.CLOSE, self.engine.time()):
            return
        self.engine.forget(self, reason)
        try:
            self._end_transport(last, keep_for_next_poll, abort)
        except Exception:  # what runs on top is to know in any case
            log.exception("transport could not be closed", address=self.address)
        self.queued = []
        self._answer_probes(False)
        client, self.client = self.client, NOBODY  # leaves no cycle for the collector
        client.closed(reason)

    def _end_transport(self, last: Packet, keep_for_next_poll: bool, abort: bool) -> None:
        if self.upgrading is not None:
            self.upgrading.close()
            self.upgrading = None
        if self.websocket is not None:
            self._end_websocket(abort)
        elif self.polling is not None:
            self._end_polling(last, keep_for_next_poll)

    def _end_websocket(self, abort: bool) -> None:
        websocket, self.websocket = self.websocket, None
        assert websocket is not None
        if abort:
            websocket.abort()
            return
        try:
            if self.queued:
                websocket.send_all(self.take_queued())
        finally:
            websocket.close()

    def _end_polling(self, last: Packet, keep_for_next_poll: bool) -> None:
        polling, self.polling = self.polling, None
        assert polling is not None
        if not polling.waiting and not keep_for_next_poll:
            return
        packets = [*self.take_queued(), last]
        if polling.waiting:
            polling.answer(packets[:POLLED_AT_ONCE])
            packets = packets[POLLED_AT_ONCE:]
        if packets:
            self.engine.keep_farewell(self.sid, packets)
