"""Receivers of a WebSocket that comes to a session which began on polling."""

from onlycare_socket.transport.session import Session
from onlycare_socket.transport.websocket import WebSocket
from onlycare_socket.wire.engineio import PROBE, UPGRADE, Packet


class Upgrade:
    """Receives for a WebSocket that wants to take over a polling session, until it has."""

    __slots__ = ("session", "switched", "websocket")

    def __init__(self, session: Session, websocket: WebSocket) -> None:
        self.session = session
        self.websocket = websocket
        self.switched = False

    def receive(self, packet: Packet) -> None:
        """`2probe` and then `5`; after that everything goes to the session."""
        if self.switched:
            self.session.receive(packet)
        elif not self.session.spend(len(packet)):
            return
        elif packet == PROBE:
            self.session.probed(self.websocket)
        elif packet == UPGRADE and self.session.complete_upgrade(self.websocket):
            self.switched = True
        else:
            self.websocket.close()

    def spend(self, size: int) -> bool:
        """Frames that are no messages count for the session."""
        return self.session.spend(size)

    def lost(self, reason: str) -> None:
        """Before the switch the session goes on without this WebSocket, after it the session is over."""
        if self.switched:
            self.session.lost(reason)
        else:
            self.session.upgrade_lost()


class Unwelcome:
    """Receives for a WebSocket that came too late: its session has a WebSocket, or is getting one."""

    def receive(self, packet: Packet) -> None:
        """What it says is not heard."""

    def spend(self, size: int) -> bool:
        """Nothing is counted, nothing answered."""
        return False

    def lost(self, reason: str) -> None:
        """Nobody misses it."""
