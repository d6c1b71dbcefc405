"""The bare relays carry a call and know who came."""

from collections.abc import AsyncIterator, Iterator

import pytest

from .peers import Phone, call_id, running


@pytest.fixture(scope="module", params=["relay.js", "relay.py"])
def relay(request: pytest.FixtureRequest) -> Iterator[str]:
    with running(request.param, PRESENCE_SCOPE="all") as url:
        yield url


@pytest.fixture
async def pair(relay: str) -> AsyncIterator[tuple[Phone, Phone]]:
    caller, receiver = Phone(strict=False), Phone(strict=False)
    try:
        await caller.connect(relay, "1", ["websocket"])
        await receiver.connect(relay, "2", ["websocket"])
        assert await caller.hear_of("2") == "user:online"
        yield caller, receiver
    finally:
        await caller.close()
        await receiver.close()


async def test_a_call_from_dial_to_hang_up(pair: tuple[Phone, Phone]) -> None:
    caller, receiver = pair
    call = call_id()
    assert await caller.dial("2", call) == {"success": True, "callId": call}
    incoming = await receiver.hear("call:incoming")
    assert (incoming["callId"], incoming["callerId"], incoming["channelName"]) == (call, "1", f"channel-{call}")
    assert (await receiver.say("call:accept", {"callId": call}))["success"]
    assert (await caller.hear("call:accepted"))["receiverId"] == "2"
    assert (await caller.say("call:end", {"callId": call}))["success"]
    assert (await receiver.hear("call:ended"))["callId"] == call


async def test_a_rejected_call(pair: tuple[Phone, Phone]) -> None:
    caller, receiver = pair
    call = call_id()
    await caller.dial("2", call)
    await receiver.hear("call:incoming")
    assert await receiver.say("call:reject", {"callId": call, "reason": "later"}) == {"success": True, "callId": call}
    rejected = await caller.hear("call:rejected")
    assert (rejected["callId"], rejected["reason"]) == (call, "later")
