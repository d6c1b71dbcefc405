"""Every answer of contract section 4, over a real port."""

import asyncio
import gc
import json
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from onlycare_socket import __version__
from onlycare_socket.http_api import exchange
from onlycare_socket.http_api.page import TestPage

from .conftest import Start
from .in_process import SECRET, InProcess, initiate, new_call_id, ring, talk


async def test_health(server: InProcess) -> None:
    caller, receiver = await server.phone("1"), await server.phone("2")
    await ring(caller, receiver, "2", new_call_id())
    await server.phone("2", device="tablet")
    status, health = await server.get("/health", secret=None)
    assert status == 200
    assert abs(health.pop("timestamp") - time.time() * 1000) < 60_000
    assert 0 <= health.pop("uptime") < 60
    assert health == {"status": "OK", "connectedUsers": 2, "activeCalls": 1, "version": __version__}


async def test_ready(server: InProcess) -> None:
    assert await server.get("/ready", secret=None) == (200, {"ready": True})


async def test_health_says_when_a_promise_is_kept_only_in_part(server: InProcess) -> None:
    server.application.condition.trouble = lambda: "DEGRADED"
    status, health = await server.get("/health", secret=None)
    assert (status, health["status"]) == (503, "DEGRADED")
    assert await server.get("/ready", secret=None) == (503, {"ready": False, "reason": "DEGRADED"})


async def test_online_is_at_once_and_true(server: InProcess) -> None:
    assert (await server.get("/api/users/USR_5/online"))[1] == {
        "userId": "USR_5",
        "isOnline": False,
        "socketId": None,
        "devices": 0,
    }
    first = await server.phone("5")
    second = await server.phone("5", device="tablet")
    assert (await server.get("/api/users/USR_5/online"))[1] == {
        "userId": "USR_5",
        "isOnline": True,
        "socketId": second.sid,
        "devices": 2,
    }
    assert (await server.post("/api/users/5/disconnect"))[1]["disconnected"] == 2
    _, answer = await server.get("/api/users/5/online")
    assert (answer["isOnline"], answer["socketId"], answer["devices"]) == (False, None, 0)
    assert abs(answer["lastSeen"] - time.time() * 1000) < 60_000
    await first.expect_gone()


@pytest.mark.parametrize(("path", "echoed"), [("a%20b", "a b"), ("%E2%82%AC", "\u20ac"), ("USR_USR_7", "USR_USR_7")])
async def test_online_echoes_the_id_that_was_asked(server: InProcess, path: str, echoed: str) -> None:
    assert (await server.get(f"/api/users/{path}/online"))[1]["userId"] == echoed


async def test_connected_users_in_pages(server: InProcess) -> None:
    for user in ("USR_3", "1", "4", "USR_2"):
        await server.phone(user)
    get = server.get
    assert (await get("/api/connected-users"))[1] == {"count": 4, "users": ["1", "USR_2", "USR_3", "4"]}
    assert (await get("/api/connected-users?limit=2"))[1] == {"count": 4, "users": ["1", "USR_2"]}
    assert (await get("/api/connected-users?limit=2&after=USR_2"))[1]["users"] == ["USR_3", "4"]
    assert (await get("/api/connected-users?after=4"))[1]["users"] == []
    for limit in ("0", "-1", "x", "1.5", "\u0663"):
        assert (await get(f"/api/connected-users?limit={limit}"))[0] == 422


async def test_online_of_many(server: InProcess) -> None:
    await server.phone("USR_5")
    body = {"userIds": ["5", "USR_5", 5, "6", "nobody"]}
    assert await server.post("/api/users/online", body) == (
        200,
        {"online": {"5": True, "USR_5": True, "6": False, "nobody": False}},
    )
    status, answer = await server.post("/api/users/online", {"userIds": [f"{number:0>128}" for number in range(1000)]})
    assert (status, len(answer["online"])) == (200, 1000)
    assert (await server.post("/api/users/online", {"userIds": ["5"] * 1001}))[0] == 422
    wrong: list[object] = [
        {},
        {"userIds": None},
        {"userIds": "5"},
        {"userIds": [None]},
        {"userIds": [[]]},
        [],
        b"",
        b"{",
    ]
    for bad in wrong:
        status, answer = await server.post("/api/users/online", bad)
        assert (status, set(answer)) == (422, {"error"}), bad


# ---------------------------------------------------------------- calls


async def test_calls_as_operators_see_them(server: InProcess) -> None:
    caller, receiver, call = await server.phone("USR_1"), await server.phone("USR_2"), new_call_id()
    await talk(caller, receiver, "USR_2", call)

    status, answer = await server.get("/api/calls")
    row = answer["calls"][0]
    assert (status, answer["count"]) == (200, 1)
    assert row == {
        "callId": call,
        "state": "accepted",
        "callType": "audio",
        "callerId": "USR_1",
        "receiverId": "USR_2",
        "startedAt": row["startedAt"],
        "acceptedAt": row["acceptedAt"],
    }
    server.clock.advance(7)
    await caller.ask("call:end", {"callId": call})
    _, one = await server.get(f"/api/calls/{call.removeprefix('CALL_')}")
    assert 7_000 <= one["durationMs"] < 60_000
    assert one["endedAt"] - one["acceptedAt"] == one["durationMs"]
    assert (one["state"], one["code"]) == ("ended", "completed")
    legs = {leg["userId"]: leg for leg in one["legs"]}
    assert legs["2"] == {"userId": "2", "device": "d:phone", "state": "accepted"}
    assert "agora" not in json.dumps([answer, one]).lower()


async def test_live_calls_come_first_and_pages_are_limited(server: InProcess) -> None:
    first, second, third = await server.phone("1"), await server.phone("2"), await server.phone("3")
    live, ended = new_call_id(), new_call_id()
    await ring(first, second, "2", live)
    await third.ask("call:initiate", initiate("9", ended))
    await third.ask("call:cancel", {"callId": ended})
    _, answer = await server.get("/api/calls")
    assert [call["callId"] for call in answer["calls"]] == [live, ended]
    _, answer = await server.get("/api/calls?limit=1")
    assert [call["callId"] for call in answer["calls"]] == [live]
    assert (await server.get("/api/calls?limit=x"))[0] == 422


async def test_the_timeline_says_who_did_what_and_who_was_told(server: InProcess) -> None:
    caller, receiver, call = await server.phone("USR_1"), await server.phone("USR_2"), new_call_id()
    await talk(caller, receiver, "USR_2", call)
    await caller.ask("call:end", {"callId": call})

    status, timeline = await server.get(f"/api/calls/{call}/timeline")
    assert (status, timeline["callId"]) == (200, call)
    steps = timeline["steps"]
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    what = [step["what"] for step in steps]
    assert [name for name in what if name in ("call:initiate", "call:accept", "call:end", "ended")] == [
        "call:initiate",
        "call:accept",
        "call:end",
        "ended",
    ]
    accept = steps[what.index("call:accept")]
    assert (accept["by"], accept["device"], accept["channel"]) == ("USR_2", "d:phone", "socket")
    told = [(step["detail"], step["to"], step["told"]) for step in steps if "told" in step]
    assert told == [
        ("call:incoming", "USR_2", ["d:phone"]),
        ("call:accepted", "USR_1", ["d:phone"]),
        ("call:ended", "USR_2", ["d:phone"]),
    ]
    assert timeline["summary"].startswith("USR_1 called USR_2 (audio): answered after ")
    assert "agora" not in json.dumps(timeline).lower()


async def test_unknown_calls(server: InProcess) -> None:
    for path in ("/api/calls/17", "/api/calls/17/timeline", "/api/calls/a%20b", "/api/calls/a%20b/timeline"):
        assert await server.get(path) == (404, {"error": "Call not found"})
    assert (await server.post("/api/calls/17/end"))[0] == 404
    assert (await server.post("/api/calls/a%20b/end"))[0] == 404


async def test_the_operator_ends_a_call(server: InProcess) -> None:
    caller, receiver, call = await server.phone("1"), await server.phone("2"), new_call_id()
    await talk(caller, receiver, "2", call)
    status, answer = await server.post(f"/api/calls/{call}/end")
    assert (status, answer) == (200, {"success": True, "callId": call, "state": "ended", "emitted": True})
    for phone in (caller, receiver):
        ended = await phone.expect("call:ended")
        assert (ended["code"], ended["reason"]) == ("terminated_by_server", "Terminated by server")
        assert "endedBy" not in ended
    status, again = await server.post(f"/api/calls/{call}/end")
    assert (status, again["duplicate"], again["code"]) == (200, True, "terminated_by_server")
    await caller.quiet()


# ---------------------------------------------------------------- everything else


@pytest.mark.parametrize(
    "path", ["/socket.io/../api/calls", "/socket.io/%2e%2e/api/calls", "/%61pi/calls", "/api%2Fcalls", "//api/calls"]
)
async def test_no_spelling_of_a_path_leads_around_the_secret(server: InProcess, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.application.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] in (b"401", b"404")
    writer.close()
    await writer.wait_closed()


async def test_errors_are_json(server: InProcess) -> None:
    assert await server.get("/nothing") == (404, {"error": "Not Found"})
    assert await server.get("/api/nothing") == (404, {"error": "Not Found"})
    async with server.http.get("/api/users/online", headers={"X-Internal-Secret": SECRET}) as response:
        assert (response.status, await response.json()) == (405, {"error": "Method Not Allowed"})
        assert "POST" in response.headers["Allow"]


async def test_a_request_for_nothing_is_freed_without_the_collector(server: InProcess) -> None:
    gc.collect()
    gc.disable()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.application.port)
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"404" in (await reader.read())[:20]
        writer.close()
        async with asyncio.timeout(5):
            while any(isinstance(each, web.Request) for each in gc.get_objects()):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


async def test_large_bodies_are_refused(server: InProcess) -> None:
    body = b'{"callId":"' + b"x" * 70_000 + b'"}'
    assert await server.post("/api/emit/call-ended", body) == (413, {"error": "Body too large"})

    async def pieces() -> Any:
        for _ in range(80):
            yield b"x" * 1024

    async with server.http.post(
        "/api/emit/call-ended", data=pieces(), headers={"X-Internal-Secret": SECRET}
    ) as response:
        assert (response.status, await response.json()) == (413, {"error": "Body too large"})


async def test_slow_bodies_are_cut_and_others_are_not_held_up(
    server: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_TIMEOUT", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.application.port)
    head = f"POST /api/emit/call-ended HTTP/1.1\r\nHost: x\r\nX-Internal-Secret: {SECRET}\r\nContent-Length: 50\r\n\r\n"
    writer.write(head.encode() + b'{"callId"')
    assert (await server.get("/api/calls"))[0] == 200
    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_fault_of_ours_is_one_line_in_the_log(
    server: InProcess, monkeypatch: pytest.MonkeyPatch, log_lines: list[MutableMapping[str, Any]]
) -> None:
    monkeypatch.setattr(server.application.switchboard, "_store", None)
    assert await server.post("/api/calls/17/end") == (500, {"error": "Internal error"})
    assert [line["event"] for line in log_lines if line["log_level"] == "error"] == ["a request failed"]
    log_lines.clear()


async def test_deep_json_and_huge_numbers_are_refused(server: InProcess) -> None:
    for body in (
        b'{"userIds":[' + b"9" * 5000 + b"]}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"userIds":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ):
        assert (await server.post("/api/users/online", body))[0] == 422


async def test_the_browser_phone(start: Start) -> None:
    server = await start(test_client=True)
    async with server.http.get("/test-client") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert "cdn.socket.io" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-cache"
        assert "<html" in (await response.text()).lower()


async def test_the_client_script_is_served_when_it_is_there(tmp_path: Path) -> None:
    page = TestPage((tmp_path / "none", tmp_path))
    (tmp_path / "socket.io.min.js").write_text("1")
    handler = next(route.handler for route in page.routes() if route.path.endswith(".js"))
    response: Any = await handler(None)  # type: ignore[arg-type]
    assert (response.body, response.content_type) == (b"1", "text/javascript")


async def test_the_browser_phone_can_be_left_out(server: InProcess) -> None:
    assert (await server.get("/test-client"))[0] == 404
