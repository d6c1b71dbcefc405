"""Who may come in: from the CONNECT of a client to a connection that everybody else knows of.

Contract section 1. The Android client gives up for good on a CONNECT_ERROR, so one is sent only for what no
retry can mend; in every other trouble the transport is closed and the client comes back. The order on the way in
is: known to the directory, accepted, announced, told what it missed. A phone is registered before the calls that
ring it are read, and a call is saved before its devices are looked up: one of the two always sees the other.
"""

import hashlib
from collections import Counter
from typing import Final

import structlog
from msgspec import Struct

from onlycare_socket.calls.ids import MAX_ID, DeviceId
from onlycare_socket.clock import Clock
from onlycare_socket.credentials import FAILED, MAX_TOKEN, REQUIRED
from onlycare_socket.limits import ConnectBudget
from onlycare_socket.ports import Authenticator, Identity, Refused, Verdict
from onlycare_socket.presence import Presence
from onlycare_socket.sockets import Connection, NodeSockets
from onlycare_socket.switchboard import Switchboard
from onlycare_socket.transport.namespace import Namespace, Socket

log = structlog.get_logger("onlycare_socket")

MAX_PUSH_TOKEN: Final = 4096
"""Characters of a push token at the most."""
_TOKEN_HASH: Final = 16
"""Hexadecimal digits of a token's hash that name a device: enough to tell one user's tokens apart."""


class Credentials(Struct, frozen=True, gc=False):
    """What a client says of itself, before anybody has checked it."""

    token: str
    user_id: str
    device: DeviceId


def read_credentials(auth: object) -> Credentials | Refused:
    """Returns what the `auth` of a CONNECT says, or the refusal that its form alone deserves.

    An integer `userId` counts as its decimal text; a mistyped optional field is ignored.
    """
    if not isinstance(auth, dict):
        return REQUIRED
    token, user_id = auth.get("token"), auth.get("userId")
    if token is None or token == "" or user_id is None or user_id == "":
        return REQUIRED
    if isinstance(user_id, int) and not isinstance(user_id, bool) and abs(user_id) < 10**MAX_ID:
        user_id = str(user_id)
    if not isinstance(token, str) or not isinstance(user_id, str):
        return FAILED
    if len(token) > MAX_TOKEN or len(user_id) > MAX_ID:
        return FAILED
    device_id = _optional(auth, "deviceId")
    if len(device_id) > MAX_ID or len(_optional(auth, "pushToken")) > MAX_PUSH_TOKEN:
        return FAILED
    return Credentials(token, user_id, device_of(token, device_id))


def device_of(token: str, device_id: str) -> DeviceId:
    """Names a device: by its own id, else by the token that all its sockets share."""
    if device_id:
        return DeviceId(f"d:{device_id}")
    return DeviceId(f"t:{hashlib.sha256(token.encode()).hexdigest()[:_TOKEN_HASH]}")


def _optional(auth: dict[str, object], name: str) -> str:
    value = auth.get(name)
    return value if isinstance(value, str) else ""


class Entrance:
    """Lets clients in and out. `outcomes` counts how CONNECTs went."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        sockets: NodeSockets,
        switchboard: Switchboard,
        presence: Presence,
        budget: ConnectBudget,
        clock: Clock,
    ) -> None:
        self._authenticator = authenticator
        self._sockets = sockets
        self._switchboard = switchboard
        self._presence = presence
        self._budget = budget
        self._clock = clock
        self.closed = False
        """While the server drains nobody is let in: the transport is closed and the client tries elsewhere."""
        self.outcomes: Counter[str] = Counter()

    def open(self, namespace: Namespace) -> None:
        """Begins to take CONNECTs of a namespace."""
        namespace.on_connect = self._connect
        namespace.on_disconnect = self._disconnect

    def _connect(self, socket: Socket, auth: object) -> None:
        credentials = read_credentials(auth)
        if isinstance(credentials, Refused):
            self._refuse(socket, credentials)
        elif self.closed:
            self._turn_away(socket, "server shutting down")
        elif not self._budget.allow(socket.address, self._clock.monotonic()):
            self._turn_away(socket, "connect budget")
        else:
            self._verify(socket, credentials)

    def _verify(self, socket: Socket, credentials: Credentials) -> None:
        def decided(verdict: Verdict) -> None:
            try:
                self._decided(socket, credentials, verdict)
            except Exception:  # a socket that nobody decides on would wait for ever
                log.exception("connect failed")
                self._turn_away(socket, "server error")

        self._authenticator.verify(credentials.token, credentials.user_id, socket.address, decided)

    def _decided(self, socket: Socket, credentials: Credentials, verdict: Verdict) -> None:
        if socket.session.closed:
            self.outcomes["gone"] += 1
        elif isinstance(verdict, Identity):
            self._admit(socket, verdict, credentials)
        elif isinstance(verdict, Refused):
            self._refuse(socket, verdict)
        else:
            self._turn_away(socket, "unavailable")

    def _admit(self, socket: Socket, identity: Identity, credentials: Credentials) -> None:
        if self.closed:
            self._turn_away(socket, "server shutting down")
            return
        if not self._sockets.has_room(identity.user):
            self._turn_away(socket, "too many sockets")
            return
        # A client sends what it kept while it was offline when its CONNECT is answered, so that is when it connected.
        since = self._clock.monotonic()
        connection = Connection(identity, credentials.device, socket, since, credentials.token)
        socket.data = connection
        first = self._sockets.add(connection)
        socket.accept()
        if not socket.connected:  # it took its CONNECT back while it was being verified
            socket.data = None
            self._sockets.remove(connection)
            self.outcomes["gone"] += 1
            return
        self.outcomes["accepted"] += 1
        if first:
            self._presence.came(connection)
        self._switchboard.arrived(connection)

    def _refuse(self, socket: Socket, refused: Refused) -> None:
        self.outcomes[refused.code] += 1
        data: dict[str, object] = {"code": refused.code}
        if refused.retry_after_ms is not None:
            data["retryAfterMs"] = refused.retry_after_ms
        socket.refuse(refused.message, data)

    def _turn_away(self, socket: Socket, why: str) -> None:
        self.outcomes[why] += 1
        socket.close(why)

    def _disconnect(self, socket: Socket, reason: str) -> None:
        connection: Connection = socket.data
        socket.data = None  # no cycle is left for the collector
        last = self._sockets.remove(connection)
        try:
            self._switchboard.left(connection)
        finally:
            self._presence.went(connection, last=last)
