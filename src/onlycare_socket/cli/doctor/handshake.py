"""The way of a phone, packet by packet: open by long polling, open by WebSocket, CONNECT with a token.

Raw Engine.IO, not a client library: what went wrong on the way is what is asked here. Every session is closed again.
"""

import asyncio
import json
from typing import Any, Final, Literal

import aiohttp
from msgspec import Struct
from yarl import URL

from onlycare_socket.cli.doctor.exchange import TROUBLES, Answer, Http, Redirected, Trouble, trouble
from onlycare_socket.cli.doctor.finding import shown

OPEN_TIME: Final = 5.0
"""Seconds until the open packet."""
CONNECT_TIME: Final = 9.5
"""Seconds for a whole CONNECT: the server itself waits 8 s for its backend (contract section 1)."""
MOST_PACKET: Final = 65_536
"""Bytes of one packet."""
DEVICE: Final = "onlycare-socket-doctor"
"""A device of its own, so that no event of the user's phones goes to it alone."""

_OPEN, _CLOSE, _PING, _PONG = "0", "1", "2", "3"
_CONNECT, _CONNECTED, _DISCONNECT, _REFUSED = "40", "40", "41", "44"

ReasonKind = Literal["trouble", "answer", "not_open", "no_upgrade", "refused", "closed", "silent"]


class Reason(Struct, frozen=True):
    """Why a handshake did not come about. `status` is that of an HTTP answer."""

    kind: ReasonKind
    text: str
    status: int = 0


async def poll(http: Http, url: str, origin: str | None = None) -> Reason | None:
    """Opens a session by long polling. Returns None when that works."""
    address = f"{url}/socket.io/?EIO=4&transport=polling"
    answer = await http.ask(address, {"Origin": origin} if origin else None, within=OPEN_TIME)
    if isinstance(answer, Trouble):
        return Reason("trouble", answer.text)
    if answer.status != 200:
        return Reason("answer", f"the answer is {_refusal(answer)}", answer.status)
    handshake = _opened(answer.body.decode("utf-8", "replace"))
    if handshake is None:
        return Reason("not_open", f"the answer is {answer}, but no open packet of Engine.IO", 200)
    session = URL(f"{address}&sid=", encoded=True).update_query(sid=handshake["sid"])
    await http.ask(str(session), method="POST", body=_CLOSE.encode(), within=2)
    return None


async def open_websocket(http: Http, url: str) -> Reason | None:
    """Opens a session by WebSocket. Returns None when that works."""
    return await _on_websocket(http, url, OPEN_TIME, None)


async def connect(http: Http, url: str, token: str, user: str) -> Reason | None:
    """Connects as a user, by WebSocket. Returns None when the server lets the user in."""
    auth = {"token": token, "userId": user, "deviceId": DEVICE, "platform": "doctor"}
    return await _on_websocket(http, url, CONNECT_TIME, auth)


async def _on_websocket(http: Http, url: str, within: float, auth: dict[str, str] | None) -> Reason | None:
    """Opens, and with `auth` connects. Returns None when that works."""
    address = f"{url}/socket.io/?EIO=4&transport=websocket"
    socket: aiohttp.ClientWebSocketResponse | None = None
    try:
        async with asyncio.timeout(within):
            socket = await http.session.ws_connect(
                URL(address, encoded=True), max_msg_size=MOST_PACKET, timeout=aiohttp.ClientWSTimeout(ws_close=1.0)
            )
            return await _talk(socket, auth)
    except aiohttp.WSServerHandshakeError as error:
        return _not_upgraded(error)
    except Redirected as error:
        return Reason("answer", f"the answer is {error}", error.status)
    except TROUBLES as error:
        if socket is not None and isinstance(error, TimeoutError):
            return Reason("silent", f"a WebSocket opened, but {_missed(auth)} did not come within {within:g} s")
        return Reason("trouble", trouble(error, address, within).text)
    finally:
        if socket is not None:
            await socket.close()


async def _talk(socket: aiohttp.ClientWebSocketResponse, auth: dict[str, str] | None) -> Reason | None:
    first = await _hear(socket)
    if first is None or _opened(first) is None:
        return Reason("not_open", "a WebSocket opened, but its first message is no open packet of Engine.IO")
    if auth is not None:
        await socket.send_str(f"{_CONNECT}{json.dumps(auth)}")
        reason = await _answered(socket)
        if reason is not None:
            return reason
        await socket.send_str(_DISCONNECT)
    await socket.send_str(_CLOSE)
    return None


async def _answered(socket: aiohttp.ClientWebSocketResponse) -> Reason | None:
    """Waits for the answer to the CONNECT."""
    while (packet := await _hear(socket)) is not None:
        if packet.startswith(_CONNECTED):
            return None
        if packet.startswith(_REFUSED):
            return Reason("refused", shown(_json(packet[2:]).get("message", "without a message")))
        if packet == _PING:
            await socket.send_str(_PONG)
    return Reason("closed", "the server closed the connection without an answer")


async def _hear(socket: aiohttp.ClientWebSocketResponse) -> str | None:
    """Returns the next text message, None at the end of the connection."""
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data)
        if message.type is not aiohttp.WSMsgType.BINARY:
            return None


def _missed(auth: dict[str, str] | None) -> str:
    return "the open packet" if auth is None else "an answer to the CONNECT"


def _opened(packet: str) -> dict[str, Any] | None:
    """Returns what an open packet says, None when it is none."""
    handshake = _json(packet[1:]) if packet.startswith(_OPEN) else {}
    return handshake if isinstance(handshake.get("sid"), str) else None


def _json(text: str) -> dict[str, Any]:
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _refusal(answer: Answer) -> str:
    """Says how a request was refused, with Engine.IO's own words if it was refused by that."""
    message = answer.fields.get("message") if "code" in answer.fields else None
    return f"{answer}: {shown(message)}" if message else str(answer)


def _not_upgraded(error: aiohttp.WSServerHandshakeError) -> Reason:
    """A 400 in JSON is Engine.IO's own: the request came, but by then it asked for no WebSocket."""
    kind = "" if error.headers is None else error.headers.get("Content-Type", "").partition(";")[0]
    if error.status == 400 and kind == "application/json":
        return Reason("no_upgrade", "the server got the request without its upgrade headers", 400)
    if error.status == 101:
        return Reason("not_open", f"the answer is a WebSocket with wrong headers ({shown(error.message)})", 101)
    return Reason("answer", f"the answer is {error.status} with {shown(kind) or 'no content type'}", error.status)
