from .conftest import Start
from .in_process import pair, ring


async def test_an_accept_over_the_budget_stands_in_the_timeline(start: Start) -> None:
    server = await start(rate_limit=3)
    caller, receiver, call = await pair(server)
    await ring(caller, receiver, "USR_2", call)
    for _ in range(4):
        ack = await receiver.ask("call:upgrade", {"callId": call})
    assert ack["code"] == "rate_limited"
    steps = (await server.get(f"/api/calls/{call}/timeline"))[1]["steps"]
    assert (steps[-1]["what"], steps[-1]["by"], steps[-1]["detail"]) == (
        "call:upgrade",
        "USR_2",
        "refused: rate_limited",
    )
