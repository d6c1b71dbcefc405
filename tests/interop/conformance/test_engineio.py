"""Engine.IO protocol, revision 4.

Covers, in other words, every case of the official suite of the Engine.IO protocol (25) and the Engine.IO half
of that of the Socket.IO protocol (16): what takes the fixture `engine` is checked on both paths, the nine about
messages on the echo server.
"""

import asyncio
import contextlib
from typing import Any

import pytest

from .wire import MAX_PAYLOAD, PING_INTERVAL, PING_TIMEOUT, SEPARATOR, Frames, Wire


def check_announced(announced: dict[str, Any], upgrades: list[str]) -> None:
    """Checks the fields of an open packet: these five and no other."""
    sid = announced.pop("sid")
    assert isinstance(sid, str)
    assert sid
    assert announced == {
        "upgrades": upgrades,
        "pingInterval": round(PING_INTERVAL * 1000),
        "pingTimeout": round(PING_TIMEOUT * 1000),
        "maxPayload": MAX_PAYLOAD,
    }


class TestHandshake:
    async def test_by_polling_it_offers_the_websocket(self, engine: Wire) -> None:
        check_announced(await engine.handshake(), ["websocket"])

    async def test_by_websocket_there_is_nothing_to_upgrade_to(self, engine: Wire) -> None:
        frames = await engine.websocket()
        check_announced(await frames.announced(), [])

    @pytest.mark.parametrize("version", [{}, {"EIO": "abc"}], ids=["absent", "unknown"])
    async def test_a_poll_needs_the_protocol_version(self, engine: Wire, version: dict[str, str]) -> None:
        status, _ = await engine.request(transport="polling", **version)
        assert status == 400

    @pytest.mark.parametrize("transport", [{}, {"transport": "abc"}], ids=["absent", "unknown"])
    async def test_a_poll_needs_a_known_transport(self, engine: Wire, transport: dict[str, str]) -> None:
        status, _ = await engine.request(EIO="4", **transport)
        assert status == 400

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_only_a_get_opens_a_session(self, engine: Wire, method: str) -> None:
        status, _ = await engine.request(method, EIO="4", transport="polling")
        assert status == 400

    @pytest.mark.parametrize("version", [{}, {"EIO": "abc"}], ids=["absent", "unknown"])
    async def test_a_websocket_needs_the_protocol_version(self, engine: Wire, version: dict[str, str]) -> None:
        assert await engine.refuses_websocket(transport="websocket", **version)

    @pytest.mark.parametrize("transport", [{}, {"transport": "abc"}], ids=["absent", "unknown"])
    async def test_a_websocket_needs_a_known_transport(self, engine: Wire, transport: dict[str, str]) -> None:
        assert await engine.refuses_websocket(EIO="4", **transport)


class TestMessagesByPolling:
    @pytest.mark.parametrize(
        "payload",
        ["4hello", SEPARATOR.join(["4one", "4two", "4three"]), f"4hello{SEPARATOR}bAQIDBA=="],
        ids=["one-text", "several-texts", "text-and-binary"],
    )
    async def test_what_is_posted_comes_back_with_the_next_poll(self, echo: Wire, payload: str) -> None:
        sid = await echo.session()
        assert await echo.post(sid, payload) == (200, "ok")
        assert await echo.poll(sid) == (200, payload)

    async def test_a_malformed_packet_ends_the_session(self, echo: Wire) -> None:
        sid = await echo.session()
        status, _ = await echo.post(sid, "abc")
        assert status == 400
        status, _ = await echo.poll(sid)
        assert status == 400

    async def test_two_polls_at_once_end_the_session(self, echo: Wire) -> None:
        sid = await echo.session()
        answers = sorted(await asyncio.gather(echo.poll(sid), echo.poll(sid)))
        assert answers[0] == (200, "1")
        assert answers[1][0] in (400, 500)
        status, _ = await echo.poll(sid)
        assert status == 400

    async def test_a_poll_given_up_by_the_client_ends_the_session(self, echo: Wire, protocol_app: str) -> None:
        sid = await echo.session()
        host, port = protocol_app.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        status, _ = await echo.poll(sid)
        assert status == 400


class TestMessagesByWebSocket:
    @pytest.mark.parametrize("message", ["4hello", b"\x01\x02\x03\x04"], ids=["text", "binary"])
    async def test_a_message_comes_back(self, echo: Wire, message: str | bytes) -> None:
        frames = await echo.websocket()
        await frames.announced()
        await frames.send(message)
        assert await frames.receive() == message

    async def test_a_malformed_packet_ends_the_session(self, echo: Wire) -> None:
        frames = await echo.websocket()
        await frames.announced()
        await frames.send("abc")
        assert await frames.ends()


class TestHeartbeat:
    async def test_a_polling_client_that_answers_pings_stays(self, engine: Wire) -> None:
        sid = await engine.session()
        for _ in range(3):
            assert await engine.poll(sid) == (200, "2")
            assert await engine.post(sid, "3") == (200, "ok")

    async def test_a_websocket_client_that_answers_pings_stays(self, engine: Wire) -> None:
        frames = await engine.websocket()
        await frames.announced()
        for _ in range(3):
            assert await frames.text(pings=True) == "2"
            await frames.send("3")

    async def test_a_polling_client_that_does_not_answer_loses_its_session(self, engine: Wire) -> None:
        sid = await engine.session()
        await asyncio.sleep(PING_INTERVAL + PING_TIMEOUT + 0.1)  # the server's clock runs in another process
        status, _ = await engine.poll(sid)
        assert status == 400

    async def test_a_websocket_client_that_does_not_answer_loses_its_session(self, engine: Wire) -> None:
        frames = await engine.websocket()
        await frames.announced()
        assert await frames.ends()


class TestClose:
    async def test_a_polling_client_that_leaves_gets_its_open_poll_back(self, engine: Wire) -> None:
        sid = await engine.session()
        (status, packet), _ = await asyncio.gather(engine.poll(sid), engine.post(sid, "1"))
        if status == 200:  # else the close overtook the poll, which then finds no session
            assert packet == "6"
        assert (status, (await engine.poll(sid))[0]) in ((200, 400), (400, 400))

    async def test_a_websocket_client_that_leaves_has_its_connection_closed(self, engine: Wire) -> None:
        frames = await engine.websocket()
        await frames.announced()
        await frames.send("1")
        assert await frames.ends()


class TestUpgrade:
    async def test_the_open_poll_ends_with_a_noop_and_the_websocket_takes_over(self, engine: Wire) -> None:
        sid = await engine.session()
        frames = await engine.beside(sid)
        await frames.send("2probe")
        assert await frames.receive() == "3probe"
        assert await engine.poll(sid) == (200, "6")
        await frames.send("5")
        await self.check_alive(frames, engine)

    async def test_polls_of_an_upgraded_session_are_refused(self, engine: Wire) -> None:
        sid = await engine.session()
        frames = await engine.upgrade(sid)
        status, _ = await engine.poll(sid)
        assert status == 400
        await self.check_alive(frames, engine)

    async def test_a_second_websocket_for_an_upgraded_session_is_refused(self, engine: Wire) -> None:
        sid = await engine.session()
        frames = await engine.upgrade(sid)
        assert await engine.refuses_websocket(EIO="4", transport="websocket", sid=sid)
        await self.check_alive(frames, engine)

    @staticmethod
    async def check_alive(frames: Frames, engine: Wire) -> None:
        """Checks that the session is still served on its WebSocket: by an echo, or by a CONNECT."""
        if engine.path == "/engine.io/":
            await frames.send("4hello")
            assert await frames.text() == "4hello"
        else:
            await frames.send("40")
            assert (await frames.text()).startswith("40{")
