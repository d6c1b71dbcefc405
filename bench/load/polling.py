"""A phone that connects as the Android app does: long polling first, then an upgrade to a WebSocket.

The order is that of engine.io-client: the handshake by GET; then at once the CONNECT by POST, a long poll, and a
WebSocket that is probed. When the probe is answered, the poll under way is waited for, and the WebSocket takes over.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Final

from bench.load.exchange import Exchange
from bench.load.frames import frame
from bench.load.loop import Loop
from bench.load.packets import pass_over, shown
from bench.load.phone import Phone, Server
from bench.load.reports import Unexpected

PROBE: Final = frame(b"2probe")
TAKE_OVER: Final = frame(b"5")


class PollingPhone(Phone):
    """A user whose WebSocket is the second transport."""

    __slots__ = ("_accepted", "_paused", "_polls", "_posts", "_probed", "_session", "_taken_over")

    def __init__(self, loop: Loop, server: Server, number: int) -> None:
        super().__init__(loop, server, number)
        self._polls: Exchange | None = None
        self._posts: Exchange | None = None

    def open(self, connected: Callable[[], None]) -> None:
        """Begins with the handshake; calls `connected` when the CONNECT is accepted and the upgrade is done."""
        self._connected = connected
        self._rest = b""
        self._corked = None
        self._accepted = self._probed = self._paused = self._taken_over = False
        self._polls = Exchange(self)
        self._posts = None
        self._polls.ask("GET", "", b"", self._shaken)

    def _shaken(self, body: bytes) -> None:
        """Does, as the client does on the handshake, everything at once."""
        if not body.startswith(b'0{"sid":"'):
            raise Unexpected(f"the server answered the handshake with {shown(body)}")
        self._session = "&sid=" + body.split(b'"', 4)[3].decode()
        self.greeted()
        self.asked = perf_counter()
        self._posts = Exchange(self)
        self._posts.ask("POST", self._session, self.connect_packet, self._posted)
        self._poll()
        self._hear = self._probing
        self.upgrade(self.server.upgrade_of(self._session))

    def _posted(self, body: bytes) -> None:
        if body.lower() != b"ok":
            raise Unexpected(f"the server answered a POST with {shown(body)}")
        # A client's pool keeps it for a while; here it would be in the way of the limit of open files.
        self._close_posts()

    def _poll(self) -> None:
        assert self._polls is not None
        self._polls.ask("GET", self._session, b"", self._polled)

    def _polled(self, body: bytes) -> None:
        for packet in body.split(b"\x1e"):
            if packet.startswith(b"4"):
                self._answered(packet)
            elif packet not in (b"6", b"2"):
                raise Unexpected(f"the server answered a poll with {shown(packet)}")
        if not self._probed:
            self._poll()
            return
        self._close_polls()
        self.send(TAKE_OVER)
        self._taken_over = True
        self._hear = self.hear if self._accepted else self._answered
        self._settle()

    def switched(self) -> None:
        """Probes the WebSocket."""
        self.send(PROBE)

    def _probing(self, packet: bytes) -> None:
        if packet != b"3probe":
            raise Unexpected(f"the server answered the probe with {shown(packet)}")
        self._probed = True

    def _answered(self, packet: bytes) -> None:
        """Takes the answer to CONNECT, by whichever transport it comes."""
        if packet.startswith(b"40"):
            self._accepted = True
            if self._taken_over:
                self._hear = self.hear
            self._settle()
        elif packet.startswith(b"44"):
            raise Unexpected(f"the server refused {self.user}: {shown(packet)}")
        else:
            pass_over(packet, "the answer to CONNECT")

    def _settle(self) -> None:
        if self._accepted and self._taken_over:
            self._connected()

    def close(self) -> None:
        """Closes every connection there is."""
        self._close_polls()
        self._close_posts()
        super().close()

    def _close_polls(self) -> None:
        if self._polls is not None:
            self._polls.close()
            self._polls = None

    def _close_posts(self) -> None:
        if self._posts is not None:
            self._posts.close()
            self._posts = None
