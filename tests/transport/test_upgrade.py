"""The way from polling to WebSocket, and all that may happen at the same time."""

import asyncio

from .harness import Harness, serving


async def test_queued_packets_follow_in_order_on_the_websocket(server: Harness) -> None:
    path = "/engine.io/"
    sid = await server.open_polling(path)
    client = await server.websocket(sid, path)
    await client.say("2probe")
    await client.expect("3probe")
    assert await server.poll(sid, path) == (200, "6")
    await server.post(sid, "4one\x1e4two", path)
    await client.say("5", "4three")
    await client.expect("4one", "4two", "4three")
    assert (await server.poll(sid, path))[0] == 400
    assert (await server.post(sid, "4four", path))[0] == 400
    await client.say("4five")
    await client.expect("4five")
    assert server.echo.counters.upgrades == 1


async def test_the_open_poll_ends_with_the_probe(server: Harness) -> None:
    sid = await server.open_polling()
    poll = asyncio.create_task(server.poll(sid))
    await server.until(lambda: server.sockets.counters.polls == 1)
    client = await server.websocket(sid)
    await client.say("2probe")
    await client.expect("3probe")
    assert await poll == (200, "6")


async def test_what_is_queued_while_probing_still_goes_to_a_poll(server: Harness) -> None:
    path = "/engine.io/"
    sid = await server.open_polling(path)
    client = await server.websocket(sid, path)
    await client.say("2probe")
    await client.expect("3probe")
    await server.post(sid, "4one", path)
    assert await server.poll(sid, path) == (200, "4one")
    await client.say("5", "4two")
    await client.expect("4two")


async def test_a_post_in_flight_during_the_switch_is_answered_and_counts(server: Harness) -> None:
    path = "/engine.io/"
    sid = await server.open_polling(path)
    reader, writer = await server.raw()
    target = server.polling(sid, path).split(str(server.listener.port), 1)[1]
    writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n4o".encode())
    session = server.echo.sessions[sid]
    await server.until(lambda: session.polling is not None and session.polling._posting)
    client = await server.websocket(sid, path)
    await client.say("2probe")
    await client.expect("3probe")
    await client.say("5")
    await server.until(lambda: session.transport == "websocket")
    writer.write(b"ne")
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
    await client.expect("4one")
    writer.close()


async def test_a_post_that_breaks_off_after_the_switch_says_nothing_about_the_session(server: Harness) -> None:
    path = "/engine.io/"
    sid = await server.open_polling(path)
    _, writer = await server.raw()
    target = server.polling(sid, path).split(str(server.listener.port), 1)[1]
    writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n4o".encode())
    session = server.echo.sessions[sid]
    polling = session.polling
    assert polling is not None
    await server.until(lambda: polling._posting)
    client = await server.websocket(sid, path)
    await client.say("2probe")
    await client.expect("3probe")
    await client.say("5")
    await server.until(lambda: session.transport == "websocket")
    writer.close()
    await server.until(lambda: not polling._posting)
    await client.say("4still")
    await client.expect("4still")


async def test_a_get_that_waits_during_the_switch_is_answered_with_a_noop(server: Harness) -> None:
    """No client library does this; the answer is still clean, and nothing queued is lost in it."""
    path = "/engine.io/"
    sid = await server.open_polling(path)
    session = server.echo.sessions[sid]
    client = await server.websocket(sid, path)
    await client.say("2probe")
    await client.expect("3probe")
    polling = session.polling
    assert polling is not None
    waiting = asyncio.create_task(polling._wait())
    await asyncio.sleep(0)
    await client.say("5", "4one")
    assert await waiting == [b"6"]
    await client.expect("4one")


async def test_a_second_websocket_is_closed_and_the_first_lives(server: Harness) -> None:
    path = "/engine.io/"
    sid, client = await server.upgraded(path)
    second = await server.websocket(sid, path)
    await second.closed()
    await client.say("4hello")
    await client.expect("4hello")


async def test_a_second_websocket_is_closed_while_the_first_is_upgrading(server: Harness) -> None:
    path = "/engine.io/"
    sid = await server.open_polling(path)
    client = await server.websocket(sid, path)
    second = await server.websocket(sid, path)
    await second.say("2probe", "5")
    await second.closed()
    await client.say("2probe")
    await client.expect("3probe")
    await client.say("5", "4hello")
    await client.expect("4hello")


async def test_a_websocket_session_cannot_be_upgraded_or_polled(server: Harness) -> None:
    client = await server.websocket()
    sid = next(iter(server.sockets._engine.sessions))
    second = await server.websocket(sid)
    await second.closed()
    assert (await server.poll(sid))[0] == 400
    assert (await server.post(sid, "40"))[0] == 400
    await client.connect()


async def test_polling_goes_on_when_the_websocket_is_lost(server: Harness) -> None:
    path = "/engine.io/"
    sid = await server.open_polling(path)
    client = await server.websocket(sid, path)
    await client.say("2probe")
    await client.expect("3probe")
    await client.socket.close()
    session = server.echo.sessions[sid]
    await server.until(lambda: session.upgrading is None)
    await server.post(sid, "4hello", path)
    assert await server.poll(sid, path) == (200, "4hello")
    again = await server.websocket(sid, path)
    await again.say("2probe")
    await again.expect("3probe")
    await again.say("5", "4again")
    await again.expect("4again")


async def test_an_upgrade_without_a_probe_is_refused(server: Harness) -> None:
    path = "/engine.io/"
    sid = await server.open_polling(path)
    for wrong in ("5", "4hello", "3probe", "2", "2probe2"):
        client = await server.websocket(sid, path)
        await client.say(wrong)
        await client.closed()
        session = server.echo.sessions[sid]
        await server.until(lambda session=session: session.upgrading is None)
    await server.post(sid, "4hello", path)
    assert await server.poll(sid, path) == (200, "4hello")


async def test_an_upgrade_that_does_not_finish_is_closed(engine: str) -> None:
    async with serving(websocket_engine=engine, upgrade_timeout=0.1) as server:
        sid = await server.open_polling("/engine.io/")
        client = await server.websocket(sid, "/engine.io/")
        await client.say("2probe")
        await client.expect("3probe")
        await client.closed()
        await server.post(sid, "4hello", "/engine.io/")
        assert await server.poll(sid, "/engine.io/") == (200, "4hello")


async def test_closing_a_session_closes_both_its_transports(server: Harness) -> None:
    sid = await server.open_polling()
    await server.post(sid, "40")
    await server.poll(sid)
    client = await server.websocket(sid)
    server.accepted[0].close()
    await client.closed()
    assert await server.poll(sid) == (200, "1")
