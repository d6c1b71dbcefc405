"""The phone without a screen: how it takes a server that closes the connection instead of answering."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from onlycare_socket.cli.failure import Unreachable
from onlycare_socket.cli.virtual_phone import Transport, VirtualPhone
from onlycare_socket.transport.engine import EngineServer
from onlycare_socket.transport.listener import Listener
from onlycare_socket.transport.options import ServerOptions
from onlycare_socket.transport.session import Session

LONGEST = 60.0
"""Seconds that the phone would wait for an answer; no test does."""


class Hangup:
    """Closes the transport on the first message, as the server does when nobody can check the token."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def text(self, packet: bytes) -> None:
        self._session.close()

    def binary(self, data: bytes) -> None:
        """None comes."""

    def alarm(self, now: float) -> None:
        """None is set."""

    def closed(self, reason: str) -> None:
        """Nothing to clean up."""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The address of a server that hangs up."""
    app = web.Application()
    EngineServer(ServerOptions(path="/socket.io/"), Hangup).attach(app)
    listener = Listener(app, "127.0.0.1", 0)
    await listener.start()
    yield f"http://127.0.0.1:{listener.port}"
    await listener.stop()


@pytest.mark.parametrize("transport", ["upgrade", "polling", "websocket"])
async def test_a_close_without_an_answer_is_noticed_at_once(transport: Transport, url: str) -> None:
    phone = VirtualPhone("caller", "5", "1|a", "CALL_17")
    with pytest.raises(Unreachable, match=r"without an answer.*LARAVEL_API_URL"):
        await phone.connect(url, transport, LONGEST)
    await phone.disconnect()
