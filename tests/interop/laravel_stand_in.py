"""A stand-in for Laravel on a real port: the one request the server makes of it, and every way it can go wrong."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, NamedTuple

Behaviour = Literal["well", "slow", "429", "500", "rubbish", "half", "hangs up", "401", "403"]
PRIVATE: Final = "+91 98765 43210"
"""Something of the real body that nobody but Laravel may see."""


class Seen(NamedTuple):
    """What one request looked like."""

    method: str
    path: str
    authorization: str
    accept: str


class LaravelStandIn:
    """Answers `GET /api/v1/users/me`; a token reads `<user's number>|<secret>`, as Sanctum's do."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = "well"
        self.seen: list[Seen] = []
        self.released = threading.Event()
        self._down = False
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in._answer(self)

            def log_message(self, *args: object) -> None:
                """Says nothing: the test's output is for the test."""

        self._handler = Handler
        self._server = self._listen(0)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def go_down(self) -> None:
        """Stops listening: connections are refused, and the ones kept open are closed without an answer."""
        self._down = True
        self._server.shutdown()
        self._server.server_close()

    def come_back(self) -> None:
        """Listens again on the same port."""
        self._down = False
        self._server = self._listen(self._server.server_port)

    def close(self) -> None:
        """Lets go of every request that hangs, and stops."""
        self.released.set()
        self.go_down()

    def _listen(self, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), self._handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        authorization = request.headers.get("Authorization", "")
        self.seen.append(Seen(request.command, request.path, authorization, request.headers.get("Accept", "")))
        match "hangs up" if self._down else self.behaviour:
            case "slow":
                self.released.wait(30)
                request.close_connection = True
            case "hangs up":
                request.close_connection = True
            case "429":
                _send(request, 429, {"message": "Too Many Attempts."}, {"Retry-After": "60"})
            case "500":
                _send(request, 500, {"message": "Server Error"})
            case "rubbish":
                _send(request, 200, "<!doctype html><title>Maintenance</title>")
            case "half":
                _send(request, 200, {"success": True, "data": {"name": "Nobody"}})
            case "401" | "403":
                _send(request, int(self.behaviour), {"message": "Unauthenticated."})
            case _ if not authorization:
                _send(request, 401, {"message": "Unauthenticated."})
            case _:
                _send(request, 200, _me(authorization.removeprefix("Bearer ")))


def _me(token: str) -> dict[str, Any]:
    number = token.partition("|")[0]
    data = {"id": f"USR_{number}", "name": f"Asha {number}", "gender": "FEMALE", "phone": PRIVATE, "coin_balance": 120}
    return {"success": True, "data": data}


def _send(request: BaseHTTPRequestHandler, status: int, body: object, headers: dict[str, str] | None = None) -> None:
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    request.send_response(status)
    request.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
    request.send_header("Content-Length", str(len(content)))
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)
