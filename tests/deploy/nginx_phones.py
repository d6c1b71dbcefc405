"""Phones that reach the server through nginx and TLS, by WebSocket or by polling alone."""

import itertools
import json
from collections import Counter

import aiohttp

from ..in_process import Phone
from .nginx import Nginx
from .nginx_requests import OPENING

WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"


async def dial(nginx: Nginx, session: aiohttp.ClientSession, user: str, query: str = "") -> Phone:
    """Returns a connected phone on a WebSocket of its own."""
    socket = await session.ws_connect(f"{nginx.url}{WEBSOCKET}{query}")
    assert (await socket.receive_str()).startswith("0{")
    phone = Phone(socket)
    assert await phone.connect({"token": f"dev:{user}:a", "userId": user}) is None
    return phone


class PollingPhone:
    """A connected phone that never upgrades. It answers pings, and reads nothing but acks.

    As OkHttp (the app's) and browsers do, it repeats a request when the connection kept from earlier ones turns out to
    be closed: a reload of nginx closes those that are idle, also one on which a request is just coming.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._numbers = itertools.count(1)
        self.acks: Counter[str] = Counter()
        """How often each of its questions was answered."""

    @classmethod
    async def dial(cls, nginx: Nginx, session: aiohttp.ClientSession, user: str) -> "PollingPhone":
        """Returns a connected phone."""
        async with session.get(nginx.url + OPENING) as opened:
            sid = json.loads((await opened.read())[1:])["sid"]
        phone = cls(session, f"{nginx.url}{OPENING}&sid={sid}")
        await phone.send(f'40{{"token":"dev:{user}:a","userId":"{user}"}}')
        packets = await phone.poll()
        assert packets[0].startswith("40"), packets
        return phone

    async def send(self, packet: str) -> None:
        """Sends a packet by a POST."""
        try:
            await self._post(packet)
        except aiohttp.ClientConnectionError:
            await self._post(packet)

    async def poll(self) -> list[str]:
        """Returns the packets of the next poll."""
        async with self._session.get(self._url) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.text()).split("\x1e")

    async def ask(self) -> None:
        """Asks the server something and waits for the answer."""
        number = next(self._numbers)
        await self.send(f'42{number}["call:sync",{{}}]')
        answered = False
        while not answered:
            packets = await self.poll()
            self.acks.update(packet.partition("[")[0] for packet in packets if packet.startswith("43"))
            answered = f"43{number}" in self.acks
            if "2" in packets:
                await self.send("3")

    async def _post(self, packet: str) -> None:
        async with self._session.post(self._url, data=packet) as answer:
            assert (answer.status, await answer.read()) == (200, b"ok")
