"""Watches speed and memory from the first day: call cycles per CPU second, and bytes per idle connection.

    python bench/watch.py                       this server
    python bench/watch.py --peer bench/peers    beside the bare Node relay (npm ci in that folder first)

A call cycle is initiate, incoming, accept, accepted, end, ended, between two connected users, each pair one call
after the other. The load comes from this process, the server is one of its own; CPU is read from /proc per process.
A quick look, not the benchmark: no rounds, no profile.
"""

import argparse
import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

TICKS = os.sysconf("SC_CLK_TCK")


class Phone(WSListener):
    """A user on a WebSocket that answers its part of a call cycle by itself."""

    def __init__(self, user: int, peer: int, ready: Callable[[], None]) -> None:
        self.user, self.peer = user, peer
        self.ready = ready
        self.calls: Iterator[int] | None = None
        self.done = 0
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keeps the way to the server."""
        self.transport = transport

    def say(self, packet: str) -> None:
        """Sends one packet."""
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, packet.encode())

    def dial(self) -> None:
        """Begins the next call."""
        assert self.calls is not None
        call = f"w{self.user}-{next(self.calls)}"
        self.say(
            f'420["call:initiate",{{"receiverId":"{self.peer}","callId":"{call}","callType":"audio",'
            f'"channelName":"channel-{call}","agoraToken":"{"t" * 120}"}}]'
        )

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Plays the part."""
        packet = frame.get_payload_as_bytes()
        if packet[:2] == b"42":
            name, rest = packet[4:].split(b'"', 1)
            if name == b"call:incoming":
                self.say(f'421["call:accept",{{"callId":"{_call_id(rest)}"}}]')
            elif name == b"call:accepted":
                self.say(f'422["call:end",{{"callId":"{_call_id(rest)}"}}]')
                self.done += 1
                self.dial()
        elif packet[:1] == b"0":
            self.say(f'40{{"token":"dev:{self.user}","userId":"{self.user}","deviceId":"bench"}}')
        elif packet[:2] == b"40":
            self.ready()
        elif packet == b"2":
            self.say("3")


def _call_id(rest: bytes) -> str:
    return rest.split(b'"callId":"', 1)[1].split(b'"', 1)[0].decode()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> int:
    """Resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def server(command: list[str], port: int, cwd: Path | None = None) -> Iterator[int]:
    """Runs a server until it is not needed any more; gives its process id once it listens."""
    env = os.environ | {"PORT": str(port), "RATE_LIMIT": "1000000", "PRESENCE_SCOPE": "off", "LOG_LEVEL": "warning"}
    process = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise SystemExit(f"the server did not listen: {' '.join(command)}")
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


async def connect(port: int, count: int, first: int = 1) -> list[Phone]:
    """Connects so many users, numbered from `first` (an odd number), each the peer of his neighbour."""
    connected = asyncio.Semaphore(0)
    phones = []
    for user in range(first, first + count):
        peer = user + 1 if user % 2 else user - 1
        phone = Phone(user, peer, connected.release)
        await ws_connect(lambda phone=phone: phone, f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket")
        phones.append(phone)
        if user % 100 == 0:
            await asyncio.sleep(0)
    for _ in phones:
        await asyncio.wait_for(connected.acquire(), 20)
    return phones


async def cycles(port: int, pid: int, pairs: int, seconds: float) -> str:
    """Measures call cycles of so many pairs."""
    phones = await connect(port, 2 * pairs)
    callers = phones[::2]
    for phone in callers:
        phone.calls = itertools.count(int(time.time() * 1000))
        phone.dial()
    await asyncio.sleep(1)
    begun, cpu, own, done = time.monotonic(), cpu_seconds(pid), time.process_time(), sum(p.done for p in callers)
    await asyncio.sleep(seconds)
    took, cpu, own = time.monotonic() - begun, cpu_seconds(pid) - cpu, time.process_time() - own
    done = sum(phone.done for phone in callers) - done
    for phone in phones:
        assert phone.transport is not None
        phone.transport.disconnect()
    return (
        f"{pairs:>6} pairs  {done / took:>8,.0f} cycles/s  {done / cpu:>8,.0f} per CPU second of the server"
        f"  ({cpu / took:.0%} server, {own / took:.0%} load)"
    )


async def idle(port: int, pid: int, count: int) -> str:
    """Measures the memory of idle authenticated connections."""
    first = await connect(port, 100)
    await asyncio.sleep(1)
    before = resident(pid)
    more = await connect(port, count, first=101)
    await asyncio.sleep(1)
    each = (resident(pid) - before) / count
    for phone in first + more:
        assert phone.transport is not None
        phone.transport.disconnect()
    return f"{count:>6} idle   {each / 1024:>8.1f} KB each, {resident(pid) / 2**20:.0f} MB in all"


def main() -> None:
    """Reads the arguments, runs the servers one after the other, prints a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--idle", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--port", type=int, default=3977)
    parser.add_argument("--peer", type=Path, help="folder with relay.js and its node_modules")
    options = parser.parse_args()
    servers = {"onlycare-socket": [sys.executable, "-m", "onlycare_socket", "serve", "--dev"]}
    if options.peer:
        servers["bare Node relay"] = ["node", str(options.peer / "relay.js")]
    for name, command in servers.items():
        print(name)
        with server(command, options.port) as pid:
            print("  " + uvloop.run(cycles(options.port, pid, options.pairs, options.seconds)), flush=True)
        with server(command, options.port) as pid:
            print("  " + uvloop.run(idle(options.port, pid, options.idle)), flush=True)


if __name__ == "__main__":
    main()
