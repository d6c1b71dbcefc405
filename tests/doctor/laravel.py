"""A stand-in for Laravel on a real port, with what `doctor` looks at: users/me, and the signed check."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.request import Request, urlopen

from tests.interop.server_process import SECRET

TOKEN: Final = "5|qT7xk29ahWm3LpZ8"
ME: Final = "/api/v1/users/me"
CHECK: Final = "/api/websocket/check"
WELL: Final[dict[str, Any]] = {"success": True, "data": {"id": "USR_5", "name": "Asha", "gender": "FEMALE", "coins": 9}}

Behaviour = Callable[[BaseHTTPRequestHandler], None]


def answers(status: int, body: object = None, **headers: str) -> Behaviour:
    """Answers with JSON, or with the very text given as HTML."""

    def behave(request: BaseHTTPRequestHandler) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        kind = "text/html; charset=UTF-8" if isinstance(body, str) else "application/json"
        _send(request, status, content, {"Content-Type": kind} | headers)

    return behave


def writes(*pieces: bytes, every: float = 0.0) -> Behaviour:
    """Writes these very bytes, one piece after the other, and closes."""

    def behave(request: BaseHTTPRequestHandler) -> None:
        for piece in pieces:
            request.wfile.write(piece)
            time.sleep(every)
        request.close_connection = True

    return behave


class Laravel:
    """Answers as the deployed backend does, until a test says otherwise."""

    def __init__(self) -> None:
        self.websocket_url = ""
        """Its WEBSOCKET_URL."""
        self.reset()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in._answer(self)

            def log_message(self, *args: object) -> None:
                """Says nothing: the test's output is for the test."""

            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate(time.time() + stand_in.ahead, usegmt=True)

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """An asker that goes away is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def reset(self) -> None:
        """Makes it well."""
        self.websocket_secret = SECRET
        self.ahead = 0.0
        """Seconds by which its clock is ahead."""
        self.me = ME
        """Where users/me is."""
        self.nobody: Behaviour = answers(401, {"message": "Unauthenticated."})
        """What a request for users/me without a token meets."""
        self.known: Behaviour = answers(200, WELL)
        """What one with the right token meets."""
        self.check: Behaviour | None = None
        """What a rightly signed check meets, instead of the truth."""
        self.seen: list[tuple[str, Mapping[str, str]]] = []

    def close(self) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.seen.append((request.path, dict(request.headers)))
        if request.path == CHECK:
            self._checked(request)
        elif request.path != self.me:
            answers(404, {"message": "The route could not be found."})(request)
        elif "Authorization" not in request.headers:
            self.nobody(request)
        elif request.headers["Authorization"] == f"Bearer {TOKEN}":
            self.known(request)
        else:
            answers(401, {"message": "Unauthenticated."})(request)

    def _checked(self, request: BaseHTTPRequestHandler) -> None:
        code = self._refusal(request)
        if code is not None:
            answers(401, {"success": False, "error": {"code": code, "message": "..."}})(request)
        elif self.check is not None:
            self.check(request)
        else:
            answers(200, self._truth())(request)

    def _refusal(self, request: BaseHTTPRequestHandler) -> str | None:
        """Verifies the signature as laravel/app/Http/Middleware does."""
        moment = request.headers.get("X-OnlyCare-Timestamp", "0")
        signed = f"{moment}\n{request.command}\n{request.path}\n".encode()
        digest = hmac.new(self.websocket_secret.encode(), signed, hashlib.sha256).hexdigest()
        if request.headers.get("X-OnlyCare-Signature") != f"sha256={digest}":
            return "SIGNATURE_WRONG"
        return None if abs(time.time() + self.ahead - int(moment)) <= 300 else "TIMESTAMP_WRONG"

    def _truth(self) -> dict[str, Any]:
        """Does what the real one does: asks the server, with its secret."""
        with urlopen(f"{self.websocket_url}/health", timeout=2) as answer:
            health = json.load(answer)
        asked = Request(f"{self.websocket_url}/api/connected-users", headers={"X-Internal-Secret": SECRET})
        with urlopen(asked, timeout=2) as answer:
            accepted = answer.status == 200
        return told(self.websocket_url, health=health, secretAccepted=accepted)


def told(url: str, **fields: Any) -> dict[str, Any]:
    """Returns an answer of the check."""
    return {
        "success": True,
        "enabled": True,
        "url": url,
        "health": None,
        "secretAccepted": False,
        "version": "1.0.0",
    } | fields


def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, headers: Mapping[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
