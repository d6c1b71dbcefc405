"""Contract section 1: who is let in, who is refused in which words, and who is only told to come back."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest

from onlycare_socket.adapters.static import StaticAuthenticator
from onlycare_socket.connecting import Credentials, Entrance, device_of, read_credentials
from onlycare_socket.ports import Identity, Refused, Unavailable, Verdict

from .conftest import Start
from .in_process import InProcess, new_call_id, ring

REQUIRED = {"message": "Authentication required", "data": {"code": "auth_required"}}
FAILED = {"message": "Authentication failed", "data": {"code": "auth_failed"}}
INVALID = {"message": "Invalid token", "data": {"code": "invalid_token"}}


class HeldAuthenticator(StaticAuthenticator):
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Callable[[Verdict], None]] = asyncio.Queue()
        self.forgotten: deque[str] = deque()

    def verify(self, token: str, user_id: str, address: str, done: Callable[[Verdict], None]) -> None:
        self.asked.put_nowait(done)

    def forget(self, user: str) -> None:
        self.forgotten.append(user)


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {},
        [],
        "dev:5",
        {"token": "dev:5"},
        {"userId": "5"},
        {"token": None, "userId": "5"},
        {"token": "dev:5", "userId": None},
        {"token": "", "userId": "5"},
        {"token": "dev:5", "userId": ""},
    ],
)
async def test_authentication_required(server: InProcess, auth: object) -> None:
    assert await (await server.open()).connect(auth) == REQUIRED


@pytest.mark.parametrize(
    "auth",
    [
        {"token": 5, "userId": "5"},
        {"token": ["dev:5"], "userId": "5"},
        {"token": "dev:5", "userId": 5.5},
        {"token": "dev:5", "userId": True},
        {"token": "dev:5", "userId": {"id": 5}},
        {"token": "dev:5", "userId": 10**200},
        {"token": "dev:5" + "x" * 5000, "userId": "5"},
        {"token": "dev:5", "userId": "5" * 129},
        {"token": "dev:5", "userId": "5", "deviceId": "x" * 129},
        {"token": "dev:5", "userId": "5", "pushToken": "x" * 4097},
    ],
)
async def test_authentication_failed(server: InProcess, auth: object) -> None:
    assert await (await server.open()).connect(auth) == FAILED


@pytest.mark.parametrize("auth", [{"token": "no", "userId": "5"}, {"token": "dev:6", "userId": "5"}])
async def test_invalid_token(server: InProcess, auth: object) -> None:
    assert await (await server.open()).connect(auth) == INVALID


async def test_a_refused_client_may_try_again_on_the_same_transport(server: InProcess) -> None:
    phone = await server.open()
    assert await phone.connect({"token": "no", "userId": "5"}) == INVALID
    assert await phone.connect({"token": "dev:5", "userId": "5"}) is None
    assert phone.sid


@pytest.mark.parametrize("user_id", ["5", "USR_5", "USR_USR_5", 5])
async def test_user_ids_in_every_form(server: InProcess, user_id: object) -> None:
    phone = await server.open()
    assert await phone.connect({"token": "dev:USR_5", "userId": user_id}) is None
    for asked in ("5", "USR_5", "USR_USR_5"):
        _, online = await server.get(f"/api/users/{asked}/online")
        assert (online["userId"], online["isOnline"], online["socketId"]) == (asked, True, phone.sid)
    assert (await server.get("/api/connected-users"))[1] == {"count": 1, "users": ["USR_5"]}


@pytest.mark.parametrize("mistyped", [None, 5, True, [], {}])
async def test_mistyped_optional_fields_are_ignored(server: InProcess, mistyped: object) -> None:
    phone = await server.open()
    optional = dict.fromkeys(("deviceId", "platform", "pushToken"), mistyped)
    assert await phone.connect({"token": "dev:5", "userId": "5", **optional}) is None


def test_devices_are_named_by_their_id_or_by_their_token() -> None:
    assert device_of("1|secret", "abc") == "d:abc"
    assert device_of("1|secret", "") == device_of("1|secret", "")
    assert device_of("1|secret", "") != device_of("2|secret", "")
    assert device_of("1|secret", "").startswith("t:")
    assert "secret" not in device_of("1|secret", "")
    assert read_credentials({"token": "t", "userId": 5, "deviceId": ""}) == Credentials("t", "5", device_of("t", ""))
    assert isinstance(read_credentials({"token": "t", "userId": -(10**128)}), Refused)


async def test_devices_of_one_user(server: InProcess) -> None:
    first = await server.phone("5", device=None, token="a")
    second = await server.phone("5", device=None, token="a")
    assert (await server.get("/api/users/5/online"))[1]["devices"] == 1
    await server.phone("5", device=None, token="b")
    await server.phone("5", device="tablet", token="a")
    assert (await server.get("/api/users/5/online"))[1]["devices"] == 3
    for phone in (first, second):
        assert (await phone.ask("call:sync", {}))["success"]


async def test_a_second_connect_is_a_parse_error_and_the_first_socket_goes(server: InProcess) -> None:
    phone = await server.phone("5")
    await phone.send('40{"token":"dev:5","userId":"5"}')
    await phone.expect_gone()
    assert (await server.get("/api/connected-users"))[1]["count"] == 0


async def test_a_late_yes(start: Start) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phone = await server.open()
    await phone.send('40{"token":"t","userId":"5"}')
    done = await authenticator.asked.get()
    assert (await server.get("/api/users/5/online"))[1]["isOnline"] is False
    done(Identity(user="5", id="USR_5"))  # type: ignore[arg-type]
    assert (await phone.ask("call:sync", {}))["success"]


async def test_what_was_kept_while_the_verdict_was_late_is_stale_all_the_same(start: Start) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phone = await server.open()
    await phone.send('40{"token":"t","userId":"5"}')
    done = await authenticator.asked.get()
    server.clock.advance(6)
    done(Identity(user="5", id="USR_5"))  # type: ignore[arg-type]
    kept = server.clock.wall() - 60_000
    call = {"receiverId": "7", "callId": "x1", "callType": "audio", "channelName": "c", "agoraToken": ""}
    assert (await phone.ask("call:initiate", call | {"timestamp": kept}))["code"] == "stale"


async def test_a_fault_after_a_late_verdict_closes_the_transport(
    start: Start, monkeypatch: pytest.MonkeyPatch, log_lines: list[MutableMapping[str, Any]]
) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phone = await server.open()
    await phone.send('40{"token":"t","userId":"5"}')
    done = await authenticator.asked.get()

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Entrance, "_admit", fail)
    done(Identity(user="5", id="USR_5"))  # type: ignore[arg-type]
    await phone.expect_gone()
    assert [line["event"] for line in log_lines if line.get("exc_info")] == ["connect failed"]
    log_lines.clear()


async def test_a_late_no_says_when_to_try_again(start: Start) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phone = await server.open()
    connecting = asyncio.create_task(phone.connect({"token": "t", "userId": "5"}))
    (await authenticator.asked.get())(Refused(message="Invalid token", code="invalid_token", retry_after_ms=1500))
    assert await connecting == {"message": "Invalid token", "data": {"code": "invalid_token", "retryAfterMs": 1500}}


async def test_no_verdict_closes_the_websocket_without_a_word(start: Start) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phone = await server.open()
    await phone.send('40{"token":"t","userId":"5"}')
    (await authenticator.asked.get())(Unavailable("backend: timeout"))
    await phone.expect_gone()


async def test_no_verdict_ends_the_open_poll_with_a_close_packet(start: Start) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    path = "/socket.io/?EIO=4&transport=polling"
    async with server.http.get(path) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    poll = asyncio.create_task(_text(server, f"{path}&sid={sid}"))
    async with server.http.post(f"{path}&sid={sid}", data='40{"token":"t","userId":"5"}') as response:
        assert response.status == 200
    (await authenticator.asked.get())(Unavailable("backend: timeout"))
    assert await poll == "1"


async def _text(server: InProcess, path: str) -> str:
    async with server.http.get(path) as response:
        return await response.text()


@pytest.mark.parametrize(
    "verdict",
    [
        Identity(user="5", id="5"),  # type: ignore[arg-type]
        Refused(message="Invalid token", code="invalid_token"),
        Unavailable("x"),
    ],
)
async def test_who_is_gone_when_the_verdict_comes_hears_nothing(start: Start, verdict: Verdict) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phone, watcher = await server.open(), await server.open()
    await phone.send('40{"token":"t","userId":"5"}')
    done = await authenticator.asked.get()
    await watcher.send('40{"token":"t","userId":"6"}')
    (await authenticator.asked.get())(Identity(user="6", id="6"))  # type: ignore[arg-type]
    await phone.close()
    await _until_closed(server, 1)
    done(verdict)
    assert (await server.get("/api/connected-users"))[1]["users"] == ["6"]
    await watcher.quiet()
    assert not watcher.presence


async def _until_closed(server: InProcess, left: int) -> None:
    async with asyncio.timeout(5):
        while server.application.sessions > left:  # noqa: ASYNC110  the server says nothing when a client has gone
            await asyncio.sleep(0)


async def test_who_took_his_connect_back_is_not_let_in(start: Start) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phone = await server.open()
    await phone.send('40{"token":"t","userId":"5"}')
    done = await authenticator.asked.get()
    await phone.send("41")
    await phone.send('40{"token":"t","userId":"6"}')
    other = await authenticator.asked.get()
    done(Identity(user="5", id="5"))  # type: ignore[arg-type]
    assert (await server.get("/api/connected-users"))[1]["users"] == []
    other(Identity(user="6", id="6"))  # type: ignore[arg-type]
    assert (await server.get("/api/connected-users"))[1]["users"] == ["6"]


async def test_a_client_that_leaves_the_namespace_is_offline(server: InProcess) -> None:
    phone = await server.phone("5")
    await phone.send("41")
    assert await phone.connect({"token": "dev:5", "userId": "5"}) is None
    assert (await server.get("/api/users/5/online"))[1]["devices"] == 1


async def test_disconnecting_a_user_closes_transports_and_forgets_verdicts(start: Start) -> None:
    authenticator = HeldAuthenticator()
    server = await start(authenticator)
    phones = [await server.open(), await server.open()]
    for phone in phones:
        await phone.send('40{"token":"t","userId":"5"}')
        (await authenticator.asked.get())(Identity(user="5", id="USR_5"))  # type: ignore[arg-type]
    assert await server.post("/api/users/USR_USR_5/disconnect") == (200, {"success": True, "disconnected": 2})
    for phone in phones:
        await phone.expect_gone()
    assert list(authenticator.forgotten) == ["5"]
    assert (await server.get("/api/users/5/online"))[1]["isOnline"] is False
    assert await server.post("/api/users/7/disconnect") == (200, {"success": True, "disconnected": 0})


async def test_more_sockets_than_one_user_may_have_are_turned_away(server: InProcess) -> None:
    for _ in range(64):
        await server.phone("5")
    phone = await server.open()
    await phone.send('40{"token":"dev:5","userId":"5"}')
    await phone.expect_gone()
    await server.phone("6")


async def test_events_go_to_the_newest_socket_of_a_device_and_commands_come_from_any(server: InProcess) -> None:
    caller, older = await server.phone("1"), await server.phone("2")
    newer, call = await server.phone("2"), new_call_id()
    await ring(caller, newer, "2", call)
    assert (await older.ask("call:accept", {"callId": call}))["success"]
    await caller.expect("call:accepted")
    await newer.close()
    await _until_closed(server, 2)
    await caller.ask("call:end", {"callId": call})
    assert (await older.expect("call:ended"))["callId"] == call


async def test_stopping_closes_transports_and_says_nothing(start: Start, log_lines: list[Any]) -> None:
    server = await start()
    phone = await server.phone("5")
    stopping = asyncio.create_task(server.application.stop())
    await phone.expect_gone()
    await stopping
    await server.stop()


async def test_who_connects_while_the_server_drains_is_turned_away(server: InProcess) -> None:
    phone = await server.open()
    server.application.drain()
    await phone.send('40{"token":"dev:5","userId":"5"}')
    await phone.expect_gone()
    assert await server.get("/ready") == (503, {"ready": False, "reason": "draining"})
    assert (await server.get("/health"))[0] == 200
