"""The floor under any server: what the system calls of call cycles cost, with nothing else done between them.

    python -m bench.syscalls [--pairs 100] [--seconds 1.5] [--json]

A call cycle is three messages to the server and six from it, on two connections. One process stands for the server: it
waits with epoll, reads each message and sends two of the right size, one back and one to the peer, without looking at
anything. Another one stands for the phones, on another core where there is one. TCP on loopback, as in the benchmark,
so that what the kernel does for the receiver on the sender's time is in it too. CPU time of the first process, by
thread_time around each batch of calls of a kind; some 0.1 µs of each call is Python's.
"""

import argparse
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec import Struct

from bench import machine, processes
from bench.machine import Machine

STEPS: Final = ((252, (127, 316)), (54, (61, 86)), (51, (59, 148)))
"""Bytes of each message in, and of the answer and the event out, with their WebSocket headers: `call:initiate`,
`call:accept`, `call:end`, with ids of ten digits and an Agora token of 120 characters."""
BUFFER: Final = 2048


class Costs(Struct):
    """CPU microseconds, of one call of each kind and of all those of a cycle."""

    machine: Machine
    pairs: int
    cycles: int
    recv: float
    send: float
    epoll_wait: float
    messages_per_wait: float
    microseconds_per_cycle: float


class Phones:
    """The other ends, in a process of their own: say the next thing when everybody has heard the one before."""

    def __init__(self, port: int, pairs: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(2 * pairs)]
        self._poll = select.epoll()
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(each.fileno(), select.EPOLLIN)
        self._by_number = {each.fileno(): each for each in self._sockets}

    def talk(self) -> None:
        """Goes on until the server is gone."""
        while True:
            for step, (size, answers) in enumerate(STEPS):
                speaking = self._sockets[step % 2 :: 2]
                for each in speaking:
                    each.send(bytes(size))
                left = sum(answers) * len(speaking)
                while left > 0:
                    for number, _ in self._poll.poll():
                        heard = len(self._by_number[number].recv(BUFFER))
                        if not heard:
                            return
                        left -= heard


@contextmanager
def phones(port: int, pairs: int, cores: frozenset[int]) -> Iterator[None]:
    """Runs the other ends beside this process."""
    child = os.fork()
    if not child:
        os.sched_setaffinity(0, cores)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            Phones(port, pairs).talk()
        except OSError:
            pass
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class Server:
    """Reads and sends, and counts the CPU time of it."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._poll = select.epoll()
        self._peers: dict[int, tuple[socket.socket, socket.socket]] = {}
        for one, other in zip(sockets[::2], sockets[1::2], strict=True):
            self._peers |= {one.fileno(): (one, other), other.fileno(): (other, one)}
        for number in self._peers:
            self._poll.register(number, select.EPOLLIN)
        self.forget()

    def forget(self) -> None:
        """Counts from now on."""
        self.waits = self.messages = self.answers = 0
        self.waiting = self.reading = self.sending = 0.0

    def turn(self) -> None:
        """Takes what has come, and answers it."""
        clock, peers = time.thread_time, self._peers
        begun = clock()
        ready = self._poll.poll()
        waited = clock()
        came = [(number, len(peers[number][0].recv(BUFFER))) for number, _ in ready]
        read = clock()
        for number, size in came:
            me, peer = peers[number]
            back, on = SENT[size]
            me.send(back)
            peer.send(on)
        sent = clock()
        self.waits += 1
        self.messages += len(came)
        self.waiting += waited - begun
        self.reading += read - waited
        self.sending += sent - read


SENT: Final = {size: (bytes(back), bytes(on)) for size, (back, on) in STEPS}


def measure(pairs: int, seconds: float, warmup: float = 0.3) -> Costs:
    """Returns what the calls cost on average. Raises ConnectionError when the other ends are gone."""
    cores = processes.available()
    with socket.create_server(("127.0.0.1", 0), backlog=2 * pairs) as listening:
        port = listening.getsockname()[1]
        with processes.on(cores.server), phones(port, pairs, cores.others):
            accepted = [listening.accept()[0] for _ in range(2 * pairs)]
            for each in accepted:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = Server(accepted)
            for length in (warmup, seconds):
                server.forget()
                end = time.monotonic() + length
                while time.monotonic() < end:
                    server.turn()
            for each in accepted:
                each.close()
    cycles = server.messages / len(STEPS)
    microseconds = 1e6 * (server.waiting + server.reading + server.sending)
    return Costs(
        machine=machine.describe(sys.executable, sorted(cores.server) if cores.pinned else []),
        pairs=pairs,
        cycles=int(cycles),
        recv=server.reading / server.messages * 1e6,
        send=server.sending / server.messages / 2 * 1e6,
        epoll_wait=server.waiting / server.waits * 1e6,
        messages_per_wait=server.messages / server.waits,
        microseconds_per_cycle=microseconds / cycles,
    )


def main() -> int:
    """Reads the arguments, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100, help="pairs of connections")
    parser.add_argument("--seconds", type=float, default=1.5, help="how long to measure")
    parser.add_argument("--json", action="store_true", help="write JSON to standard output")
    asked = parser.parse_args()
    if asked.pairs < 1 or asked.seconds <= 0:
        parser.error("--pairs and --seconds must be above 0")
    costs = measure(asked.pairs, asked.seconds)
    if asked.json:
        print(msgspec.json.format(msgspec.json.encode(costs)).decode())
        return 0
    print(f"{costs.microseconds_per_cycle:6.1f} µs a call cycle: 3 recv, 6 send and their share of epoll_wait")
    print(f"{costs.recv:6.2f} µs a recv")
    print(f"{costs.send:6.2f} µs a send")
    print(f"{costs.epoll_wait:6.2f} µs an epoll_wait, which told of {costs.messages_per_wait:.1f} messages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
