"""The same bare relay on python-socketio and uvicorn: no rules, what a phone says reaches its peer.

    python bench/peers/relay.py        PORT, HOST and PRESENCE_SCOPE (all or off) come from the environment

Set up as their manuals advise for speed: uvloop, httptools, the `websockets` library, no access log, handlers
awaited in place (`async_handlers=False`) instead of a task for every event.
"""

import os
import time
from typing import Any

import socketio
import uvicorn

PORT = int(os.environ.get("PORT", "3978"))
HOST = os.environ.get("HOST", "127.0.0.1")
TELLS_ALL = os.environ.get("PRESENCE_SCOPE", "off") == "all"

io = socketio.AsyncServer(async_mode="asgi", async_handlers=False, logger=False, engineio_logger=False)
sockets: dict[str, str] = {}
"""The newest socket of each user."""
users: dict[str, str] = {}
"""Who a socket belongs to."""
peers: dict[str, tuple[str, str]] = {}
"""Caller and receiver of each call."""

Call = dict[str, Any]


def now() -> int:
    """Returns the time in ms, as the events carry it."""
    return time.time_ns() // 1_000_000


async def tell(user: str, event: str, payload: Call) -> None:
    """Sends an event to a user who is connected."""
    if sid := sockets.get(user):
        await io.emit(event, payload, to=sid)


async def connect(sid: str, environ: Call, auth: Call | None) -> None:
    """Takes whoever says who he is."""
    me = str((auth or {}).get("userId") or "")
    if not me:
        raise socketio.exceptions.ConnectionRefusedError("Authentication required")
    sockets[me] = sid
    users[sid] = me
    if TELLS_ALL:
        await io.emit("user:online", {"userId": me, "timestamp": now()}, skip_sid=sid)


async def disconnect(sid: str, reason: str) -> None:
    """Forgets a socket."""
    me = users.pop(sid, "")
    if sockets.get(me) == sid:
        del sockets[me]


async def initiate(sid: str, call: Call) -> Call:
    """Rings the receiver. What a handler returns is the ack."""
    me = users[sid]
    peers[call["callId"]] = (me, call["receiverId"])
    await tell(call["receiverId"], "call:incoming", {**call, "callerId": me, "timestamp": now()})
    return {"success": True, "callId": call["callId"]}


async def accept(sid: str, call: Call) -> Call:
    """Tells the caller."""
    caller, _ = peers.get(call["callId"], ("", ""))
    event = {"callId": call["callId"], "receiverId": users[sid], "timestamp": now()}
    await tell(caller, "call:accepted", event)
    return {"success": True, "callId": call["callId"]}


async def reject(sid: str, call: Call) -> Call:
    """Tells the caller."""
    caller, _ = peers.pop(call["callId"], ("", ""))
    event = {"callId": call["callId"], "reason": call.get("reason", ""), "timestamp": now()}
    await tell(caller, "call:rejected", event)
    return {"success": True, "callId": call["callId"]}


async def end(sid: str, call: Call) -> Call:
    """Tells the other party."""
    caller, receiver = peers.pop(call["callId"], ("", ""))
    other = receiver if users[sid] == caller else caller
    await tell(other, "call:ended", {"callId": call["callId"], "timestamp": now()})
    return {"success": True, "callId": call["callId"]}


HANDLERS = {
    "connect": connect,
    "disconnect": disconnect,
    "call:initiate": initiate,
    "call:accept": accept,
    "call:reject": reject,
    "call:end": end,
}


def main() -> None:
    """Serves until it is told to stop."""
    for event, handler in HANDLERS.items():
        io.on(event, handler)
    uvicorn.run(
        socketio.ASGIApp(io),
        host=HOST,
        port=PORT,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        access_log=False,
        timeout_graceful_shutdown=1,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
