"""What a client kept while it was offline and sends when it is back: it rings nobody, and it is counted."""

import time

import pytest

from .in_process import InProcess, initiate, new_call_id
from .test_metrics import scrape

STALE = "onlycare_events_total{event=call:initiate,result=stale}"


def old(form: str) -> dict[str, object]:
    """Returns an initiate of a minute ago."""
    seconds = int(time.time()) - 60
    if form == "dated id":
        return initiate("USR_2", f"CALL_{seconds}1234")
    return initiate("USR_2", new_call_id(), timestamp=seconds * 1000)


@pytest.mark.parametrize("form", ["dated id", "timestamp"])
@pytest.mark.parametrize("with_ack", [True, False])
async def test_it_rings_nobody_is_no_call_and_is_counted(server: InProcess, form: str, with_ack: bool) -> None:
    receiver, caller = await server.phone("USR_2"), await server.phone("USR_1")
    if with_ack:
        ack = await caller.ask("call:initiate", old(form))
        assert (ack["success"], ack["code"]) == (False, "stale")
    else:
        await caller.tell("call:initiate", old(form))
    await caller.quiet()
    await receiver.quiet()
    assert (await scrape(server))[STALE] == 1
    assert (await server.get("/api/calls"))[1]["count"] == 0
    assert (await receiver.ask("call:initiate", initiate("USR_1", new_call_id())))["success"], "nobody is busy"


async def test_one_is_counted_each_time_it_comes(server: InProcess) -> None:
    caller, payload = await server.phone("USR_1"), old("dated id")
    for _ in range(3):
        assert (await caller.ask("call:initiate", payload))["code"] == "stale"
    assert (await scrape(server))[STALE] == 3


async def test_what_is_fresh_rings(server: InProcess) -> None:
    receiver, caller = await server.phone("USR_2"), await server.phone("USR_1")
    call = f"CALL_{int(time.time()) - 40}1234"
    assert (await caller.ask("call:initiate", initiate("USR_2", call)))["success"]
    await receiver.expect("call:incoming")
    assert STALE not in await scrape(server)
