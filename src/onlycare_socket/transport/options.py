"""What an operator or an embedding program may set about the transport."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

import msgspec

LOOPBACK: tuple[IPv4Network | IPv6Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The limits and times of one Engine.IO endpoint. Times in seconds, sizes in bytes; 0 switches a budget off."""

    path: str = "/socket.io/"
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    max_payload: int = 65_536
    """Largest message of a client: a WebSocket message, or the body of one POST."""
    connect_timeout: float = 10.0
    """An opened session without an accepted or pending CONNECT is closed after this time."""
    upgrade_timeout: float = 10.0
    """A WebSocket that began an upgrade and did not finish it is closed after this time."""
    body_timeout: float = 10.0
    """A POST whose body takes longer to arrive is cut."""
    attachment_timeout: float = 10.0
    """A binary event whose attachments do not come in this time closes the session."""
    allowed_origins: tuple[str, ...] = ()
    """Contract section 1. `*` lets any origin pass, `null` must be listed to pass."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK
    """`X-Forwarded-For` is believed only from these."""
    websocket_engine: Literal["picows", "aiohttp"] = "picows"
    max_queued: int = 524_288
    """Bytes that may wait for a client that does not read, before it is closed."""
    packets_per_window: int = 1_000
    bytes_per_window: int = 8_388_608
    window: float = 10.0
    """The inbound budget of one session: a normal call is less than 20 packets."""
    max_sessions: int = 200_000

    def __post_init__(self) -> None:
        if not (self.path.startswith("/") and self.path.endswith("/")):
            raise ValueError("path must begin and end with a slash")
        if min(self.ping_interval, self.ping_timeout, self.connect_timeout) <= 0:
            raise ValueError("ping_interval, ping_timeout and connect_timeout must be above 0 seconds")
        if self.max_payload < 1 or self.max_queued < 1:
            raise ValueError("max_payload and max_queued must be above 0 bytes")
