"""The stand-in of the backend holds whoever asks to the contract, and answers in order however the bytes come."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

BACKEND: Final = Path(__file__).parents[2] / "bench" / "backend.py"
ASKED: Final = {"Authorization": "Bearer 7|secret", "Accept": "application/json"}
ME: Final = "/api/v1/users/me"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = [sys.executable, str(BACKEND), "--port", "0", "--delay-ms", "5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        yield int(process.stdout.readline().rpartition(":")[2])
        process.terminate()
        assert process.wait(10) == 0


def ask(port: int, method: str = "GET", path: str = ME, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def raw(port: int, *pieces: bytes) -> bytes:
    """Sends these bytes, one write each, and returns all that comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as asker:
        asker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            asker.sendall(piece)
        return b"".join(iter(lambda: asker.recv(65_536), b""))


def question(user: str, *more: str) -> bytes:
    lines = [f"GET {ME} HTTP/1.1", "Host: backend", f"Authorization: Bearer {user}|secret", "Accept: application/json"]
    return "\r\n".join([*lines, *more, "", ""]).encode()


def test_a_token_is_worth_the_user_before_its_bar(port: int) -> None:
    status, body = ask(port, **ASKED)
    assert (status, body["success"]) == (200, True)
    assert {"id": "7", "name": "User 7", "gender": "female"}.items() <= body["data"].items()
    assert len(body["data"]) > 3, "Laravel's answer holds private data too"


@pytest.mark.parametrize("authorization", ["", "7|secret", "Bearer 7", "Bearer |secret", "Bearer 7|", "Bearer 7 8|x"])
def test_a_malformed_token_is_401(port: int, authorization: str) -> None:
    assert ask(port, **{**ASKED, "Authorization": authorization})[0] == 401


def test_a_missing_token_is_401(port: int) -> None:
    assert ask(port, Accept="application/json")[0] == 401


def test_another_path_or_method_is_404(port: int) -> None:
    assert ask(port, path="/api/v1/users/you", **ASKED)[0] == 404
    assert ask(port, method="DELETE", **ASKED)[0] == 404


def test_a_question_that_does_not_accept_json_is_406(port: int) -> None:
    assert ask(port, **{**ASKED, "Accept": "*/*"})[0] == 406


def test_every_answer_is_counted(port: int) -> None:
    before = ask(port, path="/count")[1]
    ask(port, **ASKED)
    ask(port, Accept="application/json")
    after = ask(port, path="/count")[1]
    assert after["count"] == before["count"] + 2
    for status in ("200", "401"):
        assert after["by_status"][status] == before["by_status"].get(status, 0) + 1


def test_answers_come_in_the_order_of_the_questions(port: int) -> None:
    asked = [question(str(user)) for user in range(20)]
    count = b"GET /count HTTP/1.1\r\nHost: backend\r\nConnection: close\r\n\r\n"
    answers = raw(port, b"".join(asked) + count)
    places = [answers.index(b'"id":"%d"' % user) for user in range(20)]
    assert places == sorted(places)
    assert answers.index(b'"count"') > places[-1], "an answer at once waits for those before it"


def test_a_head_may_come_in_pieces(port: int) -> None:
    whole = question("12", "Connection: close")
    answer = raw(port, *(whole[at : at + 1] for at in range(len(whole))))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"id":"12"' in answer


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000,
    ],
)
def test_what_is_no_question_is_400_and_the_end(port: int, bytes_sent: bytes) -> None:
    answer = raw(port, bytes_sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_an_old_client_is_answered_and_closed(port: int) -> None:
    answer = raw(port, question("3").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert b"Connection: close" in answer
    assert b'"id":"3"' in answer
