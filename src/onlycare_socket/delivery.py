"""What a `Bus` carries: packets for some devices of one user."""

from typing import Final

from onlycare_socket.calls.ids import CallId, DeviceId, UserId


class Delivery:
    """Packets for some devices of one user, encoded once; written to the newest live socket of each.

    `what` names what a device will have been told (`call:incoming`, `call:accepted`, `call:ended`, or another
    event that nobody needs to tell again). `ringing`, for stopping a ring: only these devices are written to, and
    sockets on which this call rang. `socket`: rather this one of a device's sockets than the newest.
    """

    __slots__ = ("call", "devices", "packets", "ringing", "socket", "user", "what")

    def __init__(
        self,
        user: UserId,
        devices: tuple[DeviceId, ...],
        call: CallId,
        what: str,
        packets: tuple[bytes, ...],
        ringing: frozenset[DeviceId] | None = None,
        socket: str = "",
    ) -> None:
        self.user: Final = user
        self.devices: Final = devices
        self.call: Final = call
        self.what: Final = what
        self.packets: Final = packets
        self.ringing: Final = ringing
        self.socket: Final = socket
