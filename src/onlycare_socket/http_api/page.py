"""The browser phone at `/test-client`: for development, or where an operator has switched it on."""

from pathlib import Path

from aiohttp import web

PACKAGE = Path(__file__).resolve().parent.parent
PLACES = (PACKAGE / "web", PACKAGE.parent.parent / "web")
"""Where the page lies: in an installed package, or in the repository."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' https://cdn.socket.io",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "connect-src http: https: ws: wss:",
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""The page is one file with its script in it, and may connect to whichever server its user types."""

_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class TestPage:
    """Serves the page and, when the file is there, the official client beside it."""

    __test__ = False  # for pytest: this is no test

    def __init__(self, places: tuple[Path, ...] = PLACES) -> None:
        self._places = places

    def routes(self) -> list[web.RouteDef]:
        """Returns what to add to the application."""
        return [web.get("/test-client", self._page), web.get("/test-client/socket.io.min.js", self._script)]

    async def _page(self, request: web.Request) -> web.Response:
        headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
        return web.Response(
            body=self._file("test-client.html"), content_type="text/html", charset="utf-8", headers=headers
        )

    async def _script(self, request: web.Request) -> web.Response:
        body = self._file("socket.io.min.js")
        return web.Response(body=body, content_type="text/javascript", charset="utf-8", headers=_HEADERS)

    def _file(self, name: str) -> bytes:
        """Returns a file, read anew each time: who edits the page sees it at once."""
        for place in self._places:
            path = place / name
            if path.is_file():
                return path.read_bytes()
        raise web.HTTPNotFound
