"""The stage for the PHPUnit suite: it puts phones online, plays a broken socket server, and signs as the server does.

PHPUnit runs elsewhere (another Debian, without Python), so it asks for these by HTTP on loopback:

    POST /phone {"user": "USR_5"}                  -> {"phone": 1}, when it is connected
    POST /phone/1/ask {"event": ..., "payload": …} -> the ack
    POST /phone/1/expect {"event": ...}            -> the payload; it must be the next thing that this phone hears
    POST /phone/1/quiet {}                         -> {} when the phone has heard nothing else
    POST /sign {secret, method, target, body, now} -> the headers of a signed request
    POST /secret-problem {"secret": ...}           -> {"problem": text or null}
    POST /note {"what": ...}                       -> {}; kept among the requests that were seen
    POST /seen {}                                  -> {"seen": [...]}, what /backend and /note got since the last time
    any  /backend/<behaviour>/<path>               -> a socket server with that behaviour
"""

import json
import re
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from onlycare_socket.config.api_secret import secret_problem
from onlycare_socket.signing import signed_headers

from ...interop.phones import Phone, Program

_PROGRAM: Final = Path(__file__).parents[2] / "interop" / "python"
_PHONE_PATH: Final = re.compile(r"/phone/([0-9]+)/(ask|expect|quiet)")


class Stage:
    """Listens on a free port of loopback until it is closed."""

    def __init__(self, socket_server: str) -> None:
        """`socket_server` is the address where phones connect."""
        self._socket_server = socket_server
        self._program = Program([sys.executable, "phone.py"], _PROGRAM)
        self._phones: list[Phone] = []
        self._seen: list[dict[str, Any]] = []
        self._released = threading.Event()
        stage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stage._answer(self)

            def do_POST(self) -> None:
                stage._answer(self)

            def log_message(self, *args: object) -> None:
                """Says nothing: the test's output is for the test."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """Lets go of what hangs, and hangs up all phones."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._program.close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        text = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        if request.path.startswith("/backend/"):
            self._misbehave(request, text)
            return
        asked: dict[str, Any] = json.loads(text)
        try:
            _send(request, 200, self._do(request.path, asked))
        except AssertionError as failure:
            _send(request, 500, {"failure": str(failure)})

    def _do(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        if phone := _PHONE_PATH.fullmatch(path):
            return self._with_phone(self._phones[int(phone[1])], phone[2], asked)
        answers: dict[str, Callable[[], dict[str, Any]]] = {
            "/phone": lambda: self._open_phone(asked["user"]),
            "/sign": lambda: dict(_sign(**asked)),
            "/secret-problem": lambda: {"problem": secret_problem(asked["secret"])},
            "/note": lambda: self._note({"note": asked["what"]}),
            "/seen": self._take_seen,
        }
        return answers[path]()

    def _open_phone(self, user: str) -> dict[str, Any]:
        auth = {"token": f"dev:{user}", "userId": user, "platform": "android"}
        phone = self._program.open(self._socket_server, ["websocket"], auth, acks=True).connected()
        self._phones.append(phone)
        return {"phone": len(self._phones) - 1}

    def _with_phone(self, phone: Phone, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        match what:
            case "ask":
                return phone.ask(asked["event"], asked["payload"])
            case "expect":
                return phone.expect(asked["event"])
            case _:
                phone.quiet()
                return {}

    def _note(self, seen: dict[str, Any]) -> dict[str, Any]:
        self._seen.append(seen)
        return {}

    def _take_seen(self) -> dict[str, Any]:
        seen, self._seen = self._seen, []
        return {"seen": seen}

    def _misbehave(self, request: BaseHTTPRequestHandler, text: str) -> None:
        behaviour, _, path = request.path.removeprefix("/backend/").partition("/")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._note({"method": request.command, "path": f"/{path}", "headers": headers, "body": text})
        match behaviour:
            case "slow":
                self._released.wait(30)
                request.close_connection = True
            case "trickle":
                self._trickle(request)
            case "hangs-up":
                request.close_connection = True
            case "rubbish":
                _send(request, 200, "<!doctype html><title>It works</title>")
            case "text":
                _send(request, 200, '"yes"')
            case "mistyped":
                mistyped = {"status": ["OK"], "users": "many", "isOnline": "yes", "online": "all", "success": "yes"}
                _send(request, 200, mistyped | {"emitted": 1})
            case "redirect":
                _send(request, 302, {}, {"Location": f"{self.url}/backend/well/elsewhere"})
            case "unwell":
                _send(request, 503, {"status": "DEGRADED\x1b[31m <b>"})
            case "old":  # the Node server: it has no /api/calls
                known = not path.startswith("api/calls")
                _send(request, 200 if known else 404, {"status": "OK", "users": []} if known else "Cannot GET")
            case "well":
                _send(request, 200, {"success": True, "emitted": True, "status": "OK", "isOnline": True})
            case _:
                _send(request, int(behaviour), {"error": "Unauthorized"})

    def _trickle(self, request: BaseHTTPRequestHandler) -> None:
        """Begins an answer in time, and goes on with it for ever."""
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        try:
            for _ in range(300):
                request.wfile.write(b" ")
                if self._released.wait(0.1):
                    break
        except ConnectionError:
            pass  # the other side gave up, as it should
        request.close_connection = True


def _sign(secret: str, method: str, target: str, body: str, now: int) -> dict[str, str]:
    return signed_headers(secret, method, target, body.encode(), now=now)


def _send(request: BaseHTTPRequestHandler, status: int, body: object, headers: dict[str, str] | None = None) -> None:
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    request.send_response(status)
    request.send_header("Content-Length", str(len(content)))
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)
