"""TCP connections to the server on this machine, non-blocking."""

import os
import socket
from typing import Final

USERS_PER_ADDRESS: Final = 8_000
"""Users from one source address: Linux gives it 28,232 ports, and a user may need three."""
IP_BIND_ADDRESS_NO_PORT: Final = 24
"""Of linux/in.h: bind() chooses the address only, the port comes with connect()."""


def outgoing(address: tuple[str, int], user: int) -> socket.socket:
    """Returns a socket that began to connect. Over loopback it has succeeded or failed already, nearly always."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if (beyond := user // USERS_PER_ADDRESS) > 0:
        opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        opened.bind((f"127.0.0.{1 + beyond}", 0))
    opened.connect_ex(address)
    return opened


def reason(failure: OSError) -> str:
    """Returns why the system says that a connection failed."""
    return os.strerror(failure.errno) if failure.errno else str(failure)
