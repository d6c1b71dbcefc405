"""Phones without a screen: foreign Socket.IO libraries, each in a process of its own, played from a test.

A program (js/, java/, python/) does what a line on its standard input says and writes a line for everything its
library reports. So the stories are written once, here in Python, and told through every library. A phone's reports
are taken strictly in the order in which they came: a missing, doubled or misplaced one fails the story.
"""

import itertools
import json
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from .contract import check_ack, check_event

WITHIN: Final = 20.0
"""Seconds after which a report that does not come counts as missing: a limit for broken servers, not a measure."""


class Program:
    """A running program and the phones in it."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self._process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._phones: dict[str, Phone] = {}
        self._names = itertools.count(1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def open(self, url: str, transports: list[str], auth: dict[str, Any] | None, *, acks: bool) -> "Phone":
        """Returns a phone that begins to connect; with `auth` None it sends a CONNECT without any."""
        name = str(next(self._names))
        phone = self._phones[name] = Phone(self, name, acks=acks)
        told = {} if auth is None else {"auth": auth}
        self.send(do="open", socket=name, url=url, transports=transports, **told)
        return phone

    def send(self, **line: Any) -> None:
        """Writes one command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Stops the program for a while, as a phone stops an app: what it is sent meanwhile waits for it."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def hang_up(self) -> None:
        """Closes all phones that are open, so that the next story starts with none."""
        for name, phone in self._phones.items():
            if not phone.closed:
                self.send(do="close", socket=name)
        self._phones.clear()

    def close(self) -> None:
        """Ends the program."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = json.loads(line)
            if phone := self._phones.get(report["socket"]):
                phone.take(report)


class Phone:
    """One socket of a foreign library. With `acks` its commands carry a callback, without them they do not."""

    def __init__(self, program: Program, name: str, *, acks: bool) -> None:
        self.acks = acks
        self.closed = False
        self.last_via = ""
        self._program = program
        self._name = name
        self._reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self._presence: queue.Queue[dict[str, Any]] = queue.Queue()
        self._upgraded = threading.Event()
        self._asked = itertools.count(1)
        self.unreachable: list[str] = []

    def take(self, report: dict[str, Any]) -> None:
        """Files one report: presence and failed attempts to reach the server apart from what a story is made of."""
        match report["kind"]:
            case "upgraded":
                self._upgraded.set()
            case "unreachable":
                self.unreachable.append(report["message"])
            case "event" if report["event"].startswith("user:"):
                self._presence.put(report)
            case _:
                self._reports.put(report)

    # What the library is told ------------------------------------------------------------------------------------

    def ask(self, event: str, *args: Any) -> dict[str, Any]:
        """Sends an event with a callback and returns the ack, which must be the next thing that comes."""
        number = next(self._asked)
        self._program.send(do="emit", socket=self._name, event=event, args=args, ack=number)
        report = self._next(f"the ack of {event}")
        assert (report["kind"], report.get("ack")) == ("ack", number), f"before the ack of {event} came {report}"
        return check_ack(event, report["args"])

    def tell(self, event: str, *args: Any) -> None:
        """Sends an event without a callback."""
        self._program.send(do="emit", socket=self._name, event=event, args=args)

    def do(self, event: str, call: str, state: str, **more: Any) -> None:
        """Gives a command that must be accepted; what it leaves behind is `state`, if this phone asks for acks."""
        if not self.acks:
            self.tell(event, {"callId": call, **more})
            return
        answer = self.ask(event, {"callId": call, **more})
        assert answer["success"], answer
        assert (answer["callId"], answer["state"]) == (call, state), answer
        assert "duplicate" not in answer, answer

    def close(self) -> None:
        """Disconnects for good, as an app does that is closed by its user."""
        self.closed = True
        self._program.send(do="close", socket=self._name)

    # What the library reports ------------------------------------------------------------------------------------

    def connected(self) -> "Phone":
        """Waits for the connection; returns the phone itself."""
        report = self._next("the connection")
        assert report["kind"] == "connected", report
        return self

    def connected_at_last(self, lost: tuple[str, ...]) -> "Phone":
        """Waits for the connection, however often it is lost in these words before; returns the phone itself."""
        report = self._next("the connection")
        while report["kind"] == "disconnected":
            assert report["reason"] in lost, report
            report = self._next("the connection")
        assert report["kind"] == "connected", report
        return self

    def upgraded(self) -> "Phone":
        """Waits until the connection has left polling for its WebSocket; returns the phone itself."""
        assert self._upgraded.wait(WITHIN), "the connection stayed on polling"
        return self

    def disconnected(self) -> str:
        """Returns the reason of the disconnection that must come next."""
        report = self._next("the disconnection")
        assert report["kind"] == "disconnected", report
        return str(report["reason"])

    def refused(self) -> dict[str, Any]:
        """Returns the CONNECT_ERROR that must come next: its message and, if there are any, its data."""
        report = self._next("the refusal")
        assert report["kind"] == "refused", report
        return {name: report[name] for name in ("message", "data") if name in report}

    def expect(self, event: str) -> dict[str, Any]:
        """Returns the payload of the event that must come next, its fields checked against the contract."""
        report = self._next(event)
        assert (report["kind"], report.get("event")) == ("event", event), f"instead of {event} came {report}"
        self.last_via = report["via"]
        return check_event(event, report["args"])

    def presence(self, event: str, user: str) -> dict[str, Any]:
        """Returns the news of this user, passing over that of others."""
        deadline = time.monotonic() + WITHIN
        while True:
            try:
                report = self._presence.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} of {user} came") from None
            payload = check_event(report["event"], report["args"])
            if payload["userId"] == user:
                assert report["event"] == event, report
                return payload

    def quiet(self) -> None:
        """Checks that nothing else was sent to this phone: what it is sent arrives in order, so an ack tells."""
        answer = self.ask("call:sync", {})
        assert answer["success"], answer

    def _next(self, awaited: str) -> dict[str, Any]:
        try:
            return self._reports.get(timeout=WITHIN)
        except queue.Empty:
            raise AssertionError(f"{awaited} did not come; unreachable: {self.unreachable}") from None
