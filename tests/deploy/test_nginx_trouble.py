"""A server that is down, stuck or dies: what phones, monitors and Laravel get."""

import socket
import time
from pathlib import Path

import pytest

from ..interop.server_process import Server
from .nginx import Nginx, needs_nginx
from .nginx_requests import OPENING, WITHIN
from .nginx_upstream import Upstream

pytestmark = needs_nginx

AWAY = b"onlycare-socket does not answer\n"


def test_a_server_that_is_down_is_said_at_once_and_is_found_again(tmp_path: Path) -> None:
    server = Server("--dev", AUTH="static", DRAIN_SPREAD="0")
    with Nginx(tmp_path / "nginx", server.port) as nginx:
        for ask, path in ((nginx.ask, OPENING), (nginx.ask, "/socket-health"), (nginx.ask_laravels_door, "/health")):
            began = time.monotonic()
            answer = ask(path)
            assert time.monotonic() - began < 1
            assert (answer.status, answer.headers["content-type"], answer.body) == (502, "text/plain", AWAY)
        server.start()
        assert nginx.ask(OPENING).status == 200
        assert nginx.ask_laravels_door("/health").status == 200
    server.close()


def test_a_server_that_is_stuck(tmp_path: Path) -> None:
    """It takes connections and never answers: a monitor and Laravel hear of it before long."""
    with socket.create_server(("127.0.0.1", 0)) as stuck, Nginx(tmp_path / "nginx", stuck.getsockname()[1]) as nginx:
        began = time.monotonic()
        answer = nginx.ask("/socket-health")
        assert (answer.status, answer.body) == (504, AWAY)
        assert time.monotonic() - began < WITHIN / 2


@pytest.mark.parametrize("path", [OPENING, "/api/emit/call-ended"])
def test_a_post_is_never_sent_twice(tmp_path: Path, path: str) -> None:
    """Two nodes that take a request and die: a GET is tried at both, a POST that one of them may have done is not."""
    with Upstream(b"") as one, Upstream(b"") as two, Nginx(tmp_path / "nginx", one.port, two.port) as nginx:
        ask = nginx.ask_laravels_door if path.startswith("/api/") else nginx.ask
        assert ask(path, method="POST", body="x").status == 502
        assert [taken.split()[0] for taken in one.requests + two.requests] == ["POST"]
        assert ask(path).status == 502
        assert sorted(taken.split()[0] for taken in one.requests + two.requests) == ["GET", "GET", "POST"]
