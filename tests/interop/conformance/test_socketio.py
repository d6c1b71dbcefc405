"""Socket.IO protocol, revision 5.

Covers, in other words, the Socket.IO half (16) of the official suite of the Socket.IO protocol; its other half is
in test_engineio.py. Each fact is shown on a WebSocket, with the packets spelled out.
"""

import json

import pytest

from .wire import Frames, Wire


async def opened(sockets: Wire) -> Frames:
    """Returns a WebSocket on which the Engine.IO session is open and nothing was said yet."""
    frames = await sockets.websocket()
    await frames.announced()
    return frames


async def connected(sockets: Wire) -> Frames:
    """Returns a WebSocket that is connected to the main namespace."""
    frames = await opened(sockets)
    await frames.send("40")
    assert (await frames.text()).startswith("40{")
    assert await frames.text() == '42["auth",{}]'
    return frames


class TestConnect:
    @pytest.mark.parametrize("auth", ["", '{"token":"123"}'], ids=["without-auth", "with-auth"])
    @pytest.mark.parametrize("namespace", ["", "/custom,"], ids=["main", "custom"])
    async def test_a_namespace_answers_with_an_id_and_sees_the_auth(
        self, sockets: Wire, namespace: str, auth: str
    ) -> None:
        frames = await opened(sockets)
        await frames.send(f"40{namespace}{auth}")
        answer = await frames.text()
        assert answer.startswith(f"40{namespace}{{")
        handshake = json.loads(answer.removeprefix(f"40{namespace}"))
        assert list(handshake) == ["sid"]
        assert isinstance(handshake["sid"], str)
        assert await frames.text() == f'42{namespace}["auth",{auth or "{}"}]'

    async def test_an_unknown_namespace_is_refused_in_words(self, sockets: Wire) -> None:
        frames = await opened(sockets)
        await frames.send("40/random")
        assert await frames.text() == '44/random,{"message":"Invalid namespace"}'

    async def test_anything_else_than_a_connect_ends_the_session(self, sockets: Wire) -> None:
        frames = await opened(sockets)
        await frames.send("4abc")
        assert await frames.ends()

    async def test_a_client_that_never_connects_is_closed(self, sockets: Wire) -> None:
        frames = await opened(sockets)
        assert await frames.ends()


class TestDisconnect:
    async def test_leaving_the_main_namespace_keeps_the_session(self, sockets: Wire) -> None:
        frames = await connected(sockets)
        await frames.send("41")
        assert await frames.text(pings=True) == "2"

    async def test_leaving_a_custom_namespace_keeps_the_main_one(self, sockets: Wire) -> None:
        frames = await connected(sockets)
        await frames.send("40/custom")
        assert (await frames.text()).startswith("40/custom,{")
        assert await frames.text() == '42/custom,["auth",{}]'
        await frames.send("41/custom")
        await frames.send('42["message","to the main namespace"]')
        assert await frames.text() == '42["message-back","to the main namespace"]'


PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
"""Where the two attachments stand among the arguments."""


class TestEvents:
    async def test_plain_arguments_arrive_as_they_were_sent(self, sockets: Wire) -> None:
        frames = await connected(sockets)
        await frames.send('42["message",1,"2",{"3":[true]}]')
        assert await frames.text() == '42["message-back",1,"2",{"3":[true]}]'

    async def test_an_ack_answers_under_the_id_it_was_asked_with(self, sockets: Wire) -> None:
        frames = await connected(sockets)
        await frames.send('42456["message-with-ack",1,"2",{"3":[false]}]')
        assert await frames.text() == '43456[1,"2",{"3":[false]}]'

    @pytest.mark.parametrize(
        ("sent", "received"),
        [
            (f'452-["message",{PLACEHOLDERS}]', f'452-["message-back",{PLACEHOLDERS}]'),
            (f'452-789["message-with-ack",{PLACEHOLDERS}]', f"462-789[{PLACEHOLDERS}]"),
        ],
        ids=["event", "event-with-ack"],
    )
    async def test_attachments_follow_their_event_both_ways(self, sockets: Wire, sent: str, received: str) -> None:
        frames = await connected(sockets)
        for message in (sent, b"\x01\x02\x03", b"\x04\x05\x06"):
            await frames.send(message)
        assert await frames.text() == received
        assert [await frames.binary(), await frames.binary()] == [b"\x01\x02\x03", b"\x04\x05\x06"]

    @pytest.mark.parametrize(
        "packet",
        ["4abc", "42{}", '42abc["message-with-ack",1,"2",{"3":[false]}]'],
        ids=["unknown-type", "payload-is-no-array", "ack-id-is-no-number"],
    )
    async def test_a_malformed_packet_ends_the_session(self, sockets: Wire, packet: str) -> None:
        frames = await connected(sockets)
        await frames.send(packet)
        assert await frames.ends()
