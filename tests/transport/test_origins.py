"""Who may talk to the server from a web page (contract section 1)."""

import pytest

from .harness import serving

LISTED = ("https://app.example", "http://localhost:8080/")


@pytest.mark.parametrize(
    ("allowed", "origin", "host", "passes"),
    [
        ((), None, "x", True),
        ((), "http://calls.example", "calls.example", True),
        ((), "https://calls.example", "calls.example", True),
        ((), "https://calls.example", "calls.example:443", True),
        ((), "http://CALLS.example:80", "calls.example", True),
        ((), "http://calls.example:3001", "calls.example:3001", True),
        ((), "http://[::1]:3001", "[::1]:3001", True),
        ((), "http://calls.example:3000", "calls.example:3001", False),
        ((), "http://other.example", "calls.example", False),
        ((), "http://calls.example.evil.example", "calls.example", False),
        ((), "calls.example", "calls.example", False),
        ((), "null", "calls.example", False),
        (LISTED, "https://app.example", "x", True),
        (LISTED, "https://APP.example", "x", True),
        (LISTED, "http://localhost:8080", "x", True),
        (LISTED, "http://app.example", "x", False),
        (LISTED, "null", "x", False),
        (("null",), "null", "x", True),
        (("null",), "http://other.example", "x", False),
        (("*",), "http://other.example", "x", True),
        (("*",), "null", "x", True),
    ],
)
async def test_origins(allowed: tuple[str, ...], origin: str | None, host: str, passes: bool) -> None:
    async with serving(allowed_origins=allowed) as server:
        headers = {"Host": host} | ({"Origin": origin} if origin else {})
        async with server.http.get(server.polling(), headers=headers) as response:
            assert response.status == (200 if passes else 403)
            assert response.headers.get("Access-Control-Allow-Origin") == (origin if passes else None)
            if not passes:
                assert await response.json() == {"code": 4, "message": "Forbidden"}


async def test_a_websocket_of_a_foreign_page_is_refused() -> None:
    async with serving() as server:
        url = server.url(EIO="4", transport="websocket")
        headers = {"Origin": "http://evil.example", "Upgrade": "websocket", "Connection": "Upgrade"}
        async with server.http.get(url, headers=headers) as response:
            assert response.status == 403


async def test_a_preflight_is_answered() -> None:
    async with serving(allowed_origins=("https://app.example",)) as server:
        headers = {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type, x-token",
        }
        async with server.http.options(server.polling(), headers=headers) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
            assert response.headers["Access-Control-Allow-Methods"] == "GET, POST"
            assert response.headers["Access-Control-Allow-Headers"] == "content-type, x-token"
            assert response.headers["Access-Control-Allow-Credentials"] == "true"
            assert "Origin" in response.headers["Vary"]
        async with server.http.options(server.polling(), headers={"Origin": "http://evil.example"}) as response:
            assert response.status == 403


async def test_any_origin_gets_no_credentials() -> None:
    async with serving(allowed_origins=("*",)) as server:
        response = await server.http.get(server.polling(), headers={"Origin": "http://x.example"})
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_refusals_can_be_read_by_a_page_that_may_talk() -> None:
    async with serving(allowed_origins=("*",)) as server:
        response = await server.http.get(server.polling("guess"), headers={"Origin": "http://x.example"})
        assert response.status == 400
        assert response.headers["Access-Control-Allow-Origin"] == "http://x.example"
