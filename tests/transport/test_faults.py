"""Faults of this server's own: one session's is nobody else's, and whoever has to know that it is over is told."""

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from onlycare_socket.transport.session import Session
from onlycare_socket.transport.websocket import WebSocket
from onlycare_socket.wire.engineio import Packet

from .harness import Harness, serving


class Unwritable:
    """A WebSocket that takes nothing."""

    def __init__(self, session: Session) -> None:
        assert session.websocket is not None
        self.real: WebSocket = session.websocket
        session.websocket = self

    def send(self, packet: Packet) -> None:
        raise RuntimeError("on purpose")

    def send_all(self, packets: Sequence[Packet]) -> None:
        raise RuntimeError("on purpose")

    def close(self) -> None:
        self.real.close()

    def abort(self) -> None:
        self.real.abort()


def fail(there: bool) -> None:
    """A prober."""
    raise RuntimeError("on purpose")


def faults(log_lines: list[dict[str, Any]]) -> list[str]:
    """What was logged with an exception."""
    return [line["event"] for line in log_lines if line.get("exc_info")]


async def two(server: Harness) -> tuple[Any, Any]:
    """The clients of the first two sockets that were accepted."""
    return await (await server.websocket()).connect(), await (await server.websocket()).connect()


async def test_a_session_that_cannot_be_flushed_ends_and_the_others_speak(
    engine: str, log_lines: list[dict[str, Any]]
) -> None:
    async with serving(websocket_engine=engine) as server:
        broken, whole = await two(server)
        Unwritable(server.accepted[0].session)
        for socket in server.accepted:
            socket.emit("news")
        await whole.expect('42["news"]')
        assert server.seen == [("disconnect", "server error")]
        await broken.socket.receive(5)
        assert broken.socket.closed
    assert faults(log_lines) == ["session could not be flushed"]


async def test_the_end_is_told_when_the_transport_fails_at_it(engine: str, log_lines: list[dict[str, Any]]) -> None:
    async with serving(websocket_engine=engine) as server:
        client = await (await server.websocket()).connect()
        session = server.accepted[0].session
        Unwritable(session)
        server.accepted[0].emit("last")
        session.close()
        assert server.seen == [("disconnect", "server close")]
        await client.closed()
    assert faults(log_lines) == ["transport could not be closed"]


async def test_the_end_is_told_in_spite_of_a_prober_that_fails(engine: str, log_lines: list[dict[str, Any]]) -> None:
    answers: list[bool] = []
    async with serving(websocket_engine=engine) as server:
        await (await server.websocket()).connect()
        session = server.accepted[0].session
        for done in (fail, answers.append):
            session.probe(5.0, done)
        session.close()
        assert answers == [False]
        assert server.seen == [("disconnect", "server close")]
    assert faults(log_lines) == ["prober failed"]


async def test_a_prober_that_fails_costs_the_client_no_packet(engine: str, log_lines: list[dict[str, Any]]) -> None:
    async with serving(websocket_engine=engine) as server:
        client = await (await server.websocket()).connect()
        server.accepted[0].session.probe(5.0, fail)
        await client.say('421["note",{"text":"a"}]')
        await client.expect('431[{"text":"a"}]')
    assert faults(log_lines) == ["prober failed"]


async def test_a_probe_that_runs_out_on_a_failing_prober_leaves_the_next_its_answer(
    engine: str, log_lines: list[dict[str, Any]]
) -> None:
    async with serving(websocket_engine=engine) as server:
        await (await server.websocket()).connect()
        session = server.accepted[0].session
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        for done in (fail, answered.set_result):
            session.probe(0.0, done)
        assert await asyncio.wait_for(answered, 5) is False
    assert faults(log_lines) == ["prober failed"]


async def test_a_session_that_cannot_be_opened_leaves_no_websocket(
    engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, log_lines: list[dict[str, Any]]
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("on purpose")

    async with serving(websocket_engine=engine) as server:
        monkeypatch.setattr(server.echo, "open", refuse)
        url = server.url("/engine.io/", EIO="4", transport="websocket")
        socket = await server.http.ws_connect(url)
        assert (await socket.receive(5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        live: set[Any] = server.echo.hall._live if engine == "aiohttp" else server.echo.hall.live  # type: ignore[union-attr]
        await server.until(lambda: not live)
    assert faults(log_lines) or any(record.exc_info for record in caplog.records)
