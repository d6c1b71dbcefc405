"""Requests as bytes, with paths and headers that no library would send, and their answers."""

import json
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Final, NamedTuple

OPENING: Final = "/socket.io/?EIO=4&transport=polling"
WITHIN: Final = 10.0
"""Seconds after which something that does not come counts as missing."""


class Answer(NamedTuple):
    """What a request was answered with; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request(
    path: str, *lines: str, method: str = "GET", host: str = "", body: str = "", version: str = "HTTP/1.1"
) -> bytes:
    """Returns the bytes of a request, its path and headers as they are given; it asks for the connection's end."""
    head = [f"{method} {path} {version}", f"Host: {host}", "Connection: close", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", body]).encode()


def polling(opened: Answer) -> str:
    """Returns where the session is polled that an answer to OPENING opened."""
    assert opened.status == 200, opened
    return f"{OPENING}&sid={json.loads(opened.body[1:])['sid']}"


def exchange(wire: socket.socket, sent: bytes) -> Answer:
    """Sends a request and returns its answer. Closes the connection."""
    with wire:
        wire.sendall(sent)
        return answer(wire, sent.partition(b" ")[0].decode())


def answer(wire: socket.socket, method: str = "GET") -> Answer:
    """Reads the next answer from a connection."""
    response = HTTPResponse(wire, method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())
