"""What stands behind nginx when a test wants to see each request as it comes, or have it go wrong."""

import socket
import threading
from typing import Final, Self

ALL_WELL: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Upstream:
    """Takes one request on each connection, keeps it, says what it was told to say, and hangs up."""

    def __init__(self, says: bytes = ALL_WELL) -> None:
        """It `says` nothing when that is empty."""
        self.requests: list[str] = []
        self._says = says
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._listening.accept()
            except OSError:  # shut down
                return
            with wire:
                wire.settimeout(5)
                self.requests.append(_read(wire))
                wire.sendall(self._says)


def _read(wire: socket.socket) -> str:
    """Returns a request: its head, and its body as far as the head announces one."""
    came = bytearray()
    while b"\r\n\r\n" not in came and (part := wire.recv(65_536)):
        came += part
    head, _, body = bytes(came).partition(b"\r\n\r\n")
    announced = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    while len(body) < int(announced or 0) and (part := wire.recv(65_536)):
        body += part
    return (head + b"\r\n\r\n" + body).decode("latin-1")
