"""What a program can do with namespaces and sockets."""

import asyncio

import pytest

from onlycare_socket.transport.namespace import Socket
from onlycare_socket.wire.socketio import event_packet

from .harness import Harness, Note, serving


async def test_connect_carries_the_auth(server: Harness) -> None:
    for packet, auth in (
        ("40", None),
        ("40{}", {}),
        ('40{"token":"1"}', {"token": "1"}),
        ("40[1]", [1]),
        ("40null", None),
    ):
        client = await server.websocket()
        await client.say(packet)
        socket, seen = await last(server)
        assert seen == auth
        await client.expect(f'40{{"sid":"{socket.id}"}}')
        await client.socket.close()
        server.handshakes.clear()


async def last(server: Harness) -> tuple[Socket, object]:
    await server.until(lambda: server.handshakes)
    return server.handshakes[-1]


async def test_a_verdict_may_come_later(server: Harness) -> None:
    waiting: list[Socket] = []
    server.sockets.namespace().on_connect = lambda socket, auth: waiting.append(socket)
    client = await server.websocket()
    await client.say("40")
    await server.until(lambda: waiting)
    socket = waiting[0]
    socket.emit("too early")
    socket.accept()
    socket.accept()
    socket.refuse("too late")
    socket.emit("welcome")
    await client.expect(f'40{{"sid":"{socket.id}"}}', '42["welcome"]')
    assert server.sockets.sockets == 1


async def test_a_pending_connect_outlives_the_connect_timeout() -> None:
    async with serving(connect_timeout=0.1) as server:
        waiting: list[Socket] = []
        server.sockets.namespace().on_connect = lambda socket, auth: waiting.append(socket)
        client = await server.websocket()
        await client.say("40")
        await server.until(lambda: waiting)
        await asyncio.sleep(0.3)
        waiting[0].accept()
        assert str(await client.hear()).startswith("40{")


async def test_a_verdict_for_a_client_that_has_left_has_no_effect(server: Harness) -> None:
    waiting: list[Socket] = []
    server.sockets.namespace().on_connect = lambda socket, auth: waiting.append(socket)
    client = await server.websocket()
    await client.say("40")
    await server.until(lambda: waiting)
    await client.socket.close()
    await server.until(lambda: server.sockets.sessions == 0)
    waiting[0].accept()
    waiting[0].refuse("no")
    waiting[0].close()
    assert not waiting[0].connected
    assert server.seen == []


async def test_a_refusal_leaves_the_session_open_for_another_try(server: Harness) -> None:
    server.sockets.namespace().on_connect = lambda socket, auth: socket.refuse("Invalid token", {"code": "x"})
    client = await server.websocket()
    for _ in range(2):
        await client.say("40")
        await client.expect('44{"message":"Invalid token","data":{"code":"x"}}')
    assert server.sockets.sockets == 0
    assert server.seen == []


async def test_closing_instead_of_answering_sends_no_error(server: Harness) -> None:
    server.sockets.namespace().on_connect = lambda socket, auth: socket.close("backend unavailable")
    client = await server.websocket()
    await client.say("40")
    await client.closed()
    assert server.sockets.counters.closed == {"backend unavailable": 1}
    sid = await server.open_polling()
    assert await server.post(sid, "40") == (200, "ok")
    assert await server.poll(sid) == (200, "1")


async def test_namespaces_share_a_session(server: Harness) -> None:
    custom: list[Socket] = []

    def connect(socket: Socket, auth: object) -> None:
        custom.append(socket)
        socket.accept()

    server.sockets.namespace("/custom").on_connect = connect
    server.sockets.namespace("/custom").on("note", Note, lambda socket, note, ack: socket.ack(ack or 0, note.text))
    client = await (await server.websocket()).connect()
    await client.say("40/custom", '42/custom,7["note",{"text":"a"}]')
    await server.until(lambda: custom)
    await client.expect(f'40/custom,{{"sid":"{custom[0].id}"}}', '43/custom,7["a"]')
    custom[0].emit("hello", b"\x01")
    await client.expect('451-/custom,["hello",{"_placeholder":true,"num":0}]', b"\x01")
    await client.say("41/custom", '421["note",{"text":"a"}]')
    await client.expect('431[{"text":"a"}]')
    assert not custom[0].connected
    assert server.sockets.sockets == 1


async def test_an_unknown_namespace_is_refused_and_the_session_lives(server: Harness) -> None:
    client = await server.websocket()
    await client.say("40/nowhere", "40/nowhere/else,{}")
    await client.expect('44/nowhere,{"message":"Invalid namespace"}', '44/nowhere/else,{"message":"Invalid namespace"}')
    await client.connect()


async def test_binary_acks_and_events(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    socket = server.accepted[0]
    socket.ack(3, {"data": b"\x01"}, b"\x02")
    await client.expect('462-3[{"data":{"_placeholder":true,"num":0}},{"_placeholder":true,"num":1}]', b"\x01", b"\x02")


async def test_a_request_gets_the_clients_ack(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    socket = server.accepted[0]
    first = socket.request("ask", 1, timeout=5)
    second = socket.request("ask", b"\x05", timeout=5)
    await client.expect('421["ask",1]', '451-2["ask",{"_placeholder":true,"num":0}]', b"\x05")
    await client.say('432["two"]', '431["one",{}]', '431["again"]', "4399[]")
    assert await asyncio.wait_for(first, 5) == ["one", {}]
    assert await second == ["two"]


async def test_a_request_without_an_answer_times_out(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    with pytest.raises(TimeoutError):
        await server.accepted[0].request("ask", timeout=0.05)
    await client.expect('421["ask"]')


async def test_a_request_fails_when_the_socket_goes(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    asked = server.accepted[0].request("ask", timeout=5)
    await client.socket.close()
    with pytest.raises(ConnectionError):
        await asked
    with pytest.raises(ConnectionError):
        await server.accepted[0].request("ask", timeout=5)


async def test_a_disconnect_takes_the_client_out_and_keeps_the_session(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    server.accepted[0].disconnect()
    server.accepted[0].disconnect()
    await client.expect("41")
    assert server.seen == [("disconnect", "server namespace disconnect")]
    await client.connect()


async def test_a_broadcast_shares_one_message(server: Harness) -> None:
    clients = [await (await server.websocket()).connect() for _ in range(3)]
    sid = await server.open_polling()
    await server.post(sid, "40")
    await server.poll(sid)
    await clients[0].socket.close()
    await server.until(lambda: server.sockets.sockets == 3)
    server.sockets.broadcast(server.accepted, event_packet("news", {"n": 1}))
    for client in clients[1:]:
        await client.expect('42["news",{"n":1}]')
    assert await server.poll(sid) == (200, '42["news",{"n":1}]')


async def test_a_socket_tells_where_it_is(server: Harness) -> None:
    sid = await server.open_polling()
    await server.post(sid, "40")
    await server.poll(sid)
    socket = server.accepted[0]
    assert (socket.address, socket.transport) == ("127.0.0.1", "polling")
    client = await server.websocket(sid)
    await client.say("2probe")
    await client.expect("3probe")
    await client.say("5")
    await server.until(lambda: socket.transport == "websocket")
    assert socket.session.sid == sid


async def test_each_disconnect_is_told_once(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    server.accepted[0].close("one")
    server.accepted[0].close("two")
    await client.closed()
    assert server.seen == [("disconnect", "one")]


async def test_a_closed_websocket_is_told(server: Harness) -> None:
    client = await (await server.websocket()).connect()
    await client.say("1")
    await client.closed()
    assert server.seen == [("disconnect", "transport close")]


async def test_a_fault_in_on_connect_closes_the_client(engine: str) -> None:
    async with serving(websocket_engine=engine) as server:

        def fail(socket: Socket, auth: object) -> None:
            raise RuntimeError("on purpose")

        server.sockets.namespace().on_connect = fail
        client = await server.websocket()
        await client.say("40")
        await client.closed()
        assert server.sockets.counters.closed == {"server error": 1}


def test_reserved_names_cannot_be_registered() -> None:
    from onlycare_socket.transport.namespace import Namespace

    with pytest.raises(ValueError, match="reserved"):
        Namespace("/").on("disconnect", dict, lambda socket, payload, ack: None)
