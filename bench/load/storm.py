"""A connect storm: users who come online as fast as the server takes them."""

from typing import Any

from bench.load.crowd import Crowd
from bench.load.loop import Loop
from bench.load.phone import Phone, Server
from bench.load.polling import PollingPhone
from bench.load.usage import Window


def storm(server: Server, users: int, concurrency: int, polling: bool, pid: int | None) -> dict[str, Any]:
    """Returns how long it took until all were connected, and how long each handshake took.

    With `polling` they begin as the Android app does, with long polling and an upgrade.
    """
    loop = Loop()
    kind = PollingPhone if polling else Phone
    crowd = Crowd(loop, [kind(loop, server, number) for number in range(1, users + 1)], concurrency)
    window = Window(pid)
    crowd.connect()
    used = window.close()
    return {"connects": crowd.connected, "connect_ms": crowd.latencies.milliseconds(), **used}
