"""What a phone says and hears: Socket.IO 5 over Engine.IO 4, as bytes."""

import json
from typing import Any, Final

from bench.load.frames import frame
from bench.load.reports import Unexpected

BESIDE: Final = frozenset(
    {
        "call:ringing",
        "call:cancelled",
        "call:ended",
        "call:reject:confirmed",
        "user:online",
        "user:offline",
    }
)
"""Events that one server sends and another does not; a phone that waits for none of them lets them pass."""

UPGRADE: Final = (
    "GET /socket.io/?EIO=4&transport=websocket{session} HTTP/1.1\r\n"
    "Host: 127.0.0.1:{port}\r\n"
    "Connection: Upgrade\r\n"
    "Upgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "\r\n"
)
ENGINE_PONG: Final = frame(b"3")


def connect(user: str, token_form: str) -> bytes:
    """Returns the CONNECT; the token is one of development (`dev`) or one of the backend (`laravel`)."""
    token = f"dev:{user}" if token_form == "dev" else f"{user}|bench-secret"
    auth = json.dumps({"token": token, "userId": user, "deviceId": "bench"}, separators=(",", ":"))
    return b"40" + auth.encode()


def parse(packet: bytes) -> tuple[str, Any]:
    """Returns the event's name and first argument, or an ack's number and answer. Raises Unexpected."""
    try:
        number, bracket, rest = packet[2:].decode().partition("[")
        data = json.loads(bracket + rest)
        if packet.startswith(b"43"):
            return number, data[0]
        if packet.startswith(b"42"):
            return data[0], data[1] if len(data) > 1 else None
    except (ValueError, IndexError, KeyError):
        pass
    raise Unexpected(f"the server sent a packet that is neither an event nor an ack: {shown(packet)}")


def rewritten(packet: bytes) -> bytes:
    """Returns the same event or ack, spaced as JavaScript spaces it, for that is what packets are compared with."""
    number, bracket, rest = packet[2:].decode().partition("[")
    try:
        data = json.loads(bracket + rest)
    except ValueError:
        return packet
    return packet[:2] + (number.strip() + json.dumps(data, separators=(",", ":"), ensure_ascii=False)).encode()


def pass_over(packet: bytes, waiting_for: str) -> None:
    """Lets an event pass that comes beside the expected ones. Raises Unexpected for anything else."""
    name, _ = parse(packet)
    if packet.startswith(b"43") or name not in BESIDE:
        raise Unexpected(f"waiting for {waiting_for}, the server sent {shown(packet)}")


def shown(packet: bytes) -> str:
    """Returns a packet as an error may show it."""
    return packet[:300].decode("utf-8", "replace")
