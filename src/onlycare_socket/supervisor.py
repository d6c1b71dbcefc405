"""What the process tells the one that started it: systemd by its notify protocol, PM2 over the channel of Node.js.

systemd: datagrams to the socket that NOTIFY_SOCKET names, see sd_notify(3). PM2: it hands every child the descriptor
NODE_CHANNEL_FD, on which Node.js programs send one JSON value a line, and with `wait_ready` it calls a process online
when the text "ready" comes.
"""

import contextlib
import os
import socket
import stat
from collections.abc import MutableMapping

from onlycare_socket.ticker import Ticker

_BEATS = 3
"""Signs of life within the time that the watchdog grants."""


class Supervisor:
    """Tells whoever started the process how it is; without anybody to tell, every method does nothing.

    Never raises: a server does not fail because nobody listens to its state.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Takes what is meant for this process alone out of `environ`."""
        self._systemd = _notify_socket(environ.pop("NOTIFY_SOCKET", ""))
        self._pm2 = _channel(environ.pop("NODE_CHANNEL_FD", ""))
        seconds = _watchdog(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))
        self._life = Ticker(seconds / _BEATS, lambda late: self._notify("WATCHDOG=1")) if seconds else None

    def ready(self, where: str) -> None:
        """The port is open at the address `where`. From now on the running loop gives signs of life."""
        self._notify(f"READY=1\nSTATUS=Listening on {where}")
        if self._pm2 is not None:
            with contextlib.suppress(OSError):
                os.write(self._pm2, b'"ready"\n')
        if self._life is not None:
            self._life.start()

    def stopping(self) -> None:
        """The orderly end has begun."""
        self._notify("STOPPING=1\nSTATUS=Closing the connections")

    def failed(self, why: str) -> None:
        """The server cannot start: `systemctl status` shows the reason while it is tried again."""
        self._notify(f"STATUS={' '.join(why.split())}")

    def close(self) -> None:
        """Falls silent: the loop is about to end."""
        if self._life is not None:
            self._life.stop()
        if self._systemd is not None:
            self._systemd.close()

    def _notify(self, state: str) -> None:
        if self._systemd is not None:
            with contextlib.suppress(OSError):
                self._systemd.send(state.encode())


def _notify_socket(address: str) -> socket.socket | None:
    if not address.startswith(("/", "@")):
        return None
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        notify.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
    except OSError:
        notify.close()
        return None
    return notify


def _channel(number: str) -> int | None:
    """Returns the descriptor of PM2's channel, or None: a number that came down from another process proves nothing."""
    if not number.isdecimal() or len(number) > 5:
        return None
    channel = int(number)
    try:
        if channel <= 2 or not stat.S_ISSOCK(os.fstat(channel).st_mode):
            return None
        os.set_inheritable(channel, False)
        os.set_blocking(channel, False)
    except OSError:
        return None
    return channel


def _watchdog(microseconds: str, pid: str) -> float:
    """Returns the seconds that the watchdog grants, 0 when there is none or it watches another process."""
    if not microseconds.isdecimal() or len(microseconds) > 18 or (pid and pid != str(os.getpid())):
        return 0.0
    return int(microseconds) / 1_000_000
