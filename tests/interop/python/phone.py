"""A phone without a screen on python-socketio's AsyncClient; the lines it reads and writes are in ../README.md."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from typing import Any

import socketio


def report(**line: Any) -> None:
    """Writes one line of what the library reported."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Phone:
    """One socket of the library, under the name the test gave it."""

    def __init__(self, command: dict[str, Any]) -> None:
        self._name = command["socket"]
        self._command = command
        self._client = socketio.AsyncClient(reconnection_attempts=5)  # as the app
        self._client.on("connect", self._connected)
        self._client.on("disconnect", lambda reason: self._say("disconnected", reason=reason))
        self._client.on("connect_error", self._refused)
        self._client.on("*", lambda event, *args: self._say("event", event=event, args=args, via=self._via()))

    async def open(self) -> None:
        """Connects; a refusal is reported by its event, so the exception says nothing new."""
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await self._client.connect(
                self._command["url"],
                auth=self._command.get("auth"),
                transports=self._command["transports"],
                wait_timeout=15,
            )

    async def emit(self, command: dict[str, Any]) -> None:
        """Sends one event, with an ack callback if the command names one."""
        ack = command.get("ack")
        answered = None if ack is None else lambda *args: self._say("ack", ack=ack, args=args)
        try:
            await self._client.emit(command["event"], tuple(command["args"]), callback=answered)
        except socketio.exceptions.SocketIOError as error:  # the connection was lost a moment ago
            self._say("unreachable", message=f"{command['event']}: {error}")

    async def close(self) -> None:
        """Disconnects for good."""
        await self._client.disconnect()

    def _say(self, kind: str, **more: Any) -> None:
        report(socket=self._name, kind=kind, **more)

    def _via(self) -> str:
        return str(self._client.transport())

    def _connected(self) -> None:
        # This library upgrades before it sends CONNECT.
        self._say("connected", via=self._via())
        if self._via() == "websocket" and self._command["transports"][0] == "polling":
            self._say("upgraded")

    def _refused(self, answer: Any) -> None:
        # A CONNECT_ERROR packet arrives as an object, trouble on the way as text.
        if isinstance(answer, dict):
            self._say("refused", **answer)
        else:
            self._say("unreachable", message=str(answer))


async def main() -> None:
    """Carries out commands in the order they come until standard input ends."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # says only that the library left a session open
    phones: dict[str, Phone] = {}
    lines: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().run_in_executor(None, _read, asyncio.get_running_loop(), lines)
    beside: set[asyncio.Task[None]] = set()  # what may take long holds nobody else up
    while line := await lines.get():
        command = json.loads(line)
        name = command["socket"]
        if command["do"] == "open":
            phones[name] = Phone(command)
            beside.add(asyncio.create_task(phones[name].open()))
        elif command["do"] == "emit":
            await phones[name].emit(command)
        else:
            beside.add(asyncio.create_task(phones.pop(name).close()))
    os._exit(0)  # nothing to tidy up: the library leaves its HTTP session of a lost connection to the collector


def _read(loop: asyncio.AbstractEventLoop, lines: "asyncio.Queue[str]") -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line)
    loop.call_soon_threadsafe(lines.put_nowait, "")


if __name__ == "__main__":
    asyncio.run(main())
