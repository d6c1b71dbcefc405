"""Two nodes: a phone's polls come back to the node that opened its session, and a node that is gone is not asked.

nginx is told here to take a client's address from a header of the tests, as behind a proxy that it trusts: so phones
may come from everywhere.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..interop.server_process import Server
from .nginx import Nginx, needs_nginx, serving
from .nginx_requests import OPENING, Answer, polling
from .nginx_upstream import Upstream

pytestmark = needs_nginx

BEHIND_A_PROXY = "set_real_ip_from 127.0.0.1; real_ip_header X-From;"
PHONES = [f"198.51.100.{number}" for number in range(1, 40)]


@pytest.fixture
def nodes() -> Iterator[tuple[Server, Server]]:
    """Two servers that know nothing of each other."""
    with serving() as first, serving() as second:
        yield first, second


@pytest.fixture
def nginx(tmp_path: Path, nodes: tuple[Server, Server]) -> Iterator[Nginx]:
    """nginx with the shipped site and the variant with two nodes."""
    with Nginx(tmp_path / "nginx", *(node.port for node in nodes), http=BEHIND_A_PROXY) as nginx:
        yield nginx


def ask(nginx: Nginx, phone: str, path: str, *, method: str = "GET", body: str = "") -> Answer:
    """Returns the answer to a request that comes from a phone's address, on a connection of its own."""
    return nginx.ask(path, f"X-From: {phone}", method=method, body=body)


def connect(nginx: Nginx, phone: str, user: str, moves_to: str = "") -> None:
    """Has a phone open a session and connect by polling, its later requests from another address if it moves."""
    session = polling(ask(nginx, phone, OPENING))
    phone = moves_to or phone
    connect = f'40{{"token":"dev:{user}:a","userId":"{user}"}}'
    for method, body, answered in (
        ("POST", connect, b"ok"),
        ("GET", "", b"40{"),
        ("POST", '421["call:sync",{}]', b"ok"),
    ):
        answer = ask(nginx, phone, session, method=method, body=body)
        assert (answer.status, answer.body[: len(answered)]) == (200, answered)


def users(node: Server) -> set[str]:
    """Returns who is connected to a node."""
    return set(node.get("/api/connected-users")["users"])


def test_polls_come_back_to_their_node(nginx: Nginx, nodes: tuple[Server, Server]) -> None:
    for number, phone in enumerate(PHONES):
        connect(nginx, phone, str(number))
    first, second = users(nodes[0]), users(nodes[1])
    assert first | second == {str(number) for number in range(len(PHONES))}
    assert first
    assert second


def test_all_phones_behind_one_address_are_on_one_node(nginx: Nginx, nodes: tuple[Server, Server]) -> None:
    for user in range(8):
        connect(nginx, PHONES[0], str(user))
    assert sorted(len(users(node)) for node in nodes) == [0, 8]


def test_a_phone_that_changes_its_address_within_its_network_stays(nginx: Nginx) -> None:
    """As phones with IPv6 do by themselves. Sixteen networks, so that no node is hit by luck."""
    for number in range(16):
        network = f"2401:4900:1c00:{number:x}"
        connect(nginx, f"{network}:1234:5678:90ab:cdef", str(number), moves_to=f"{network}:fedc:ba09:8765:4321")


def test_a_phone_that_moves_to_the_other_node_is_told(nginx: Nginx) -> None:
    session = polling(ask(nginx, PHONES[0], OPENING))
    answers = [ask(nginx, phone, session, method="POST", body="40{}") for phone in PHONES[1:]]
    assert any(b"Session ID unknown" in answer.body for answer in answers)  # so it opens another one


def test_a_node_that_is_gone_is_not_missed(nginx: Nginx, nodes: tuple[Server, Server]) -> None:
    for number, phone in enumerate(PHONES):
        connect(nginx, phone, str(number))
    before = users(nodes[0])
    nodes[0].kill()
    for number, phone in enumerate(PHONES):
        connect(nginx, phone, f"{number}00")
    assert len(users(nodes[1])) == 2 * len(PHONES) - len(before)
    assert nginx.ask_laravels_door("/health").status == 200
    assert nginx.ask("/socket-health").status == 200


def test_a_node_that_drains_opens_no_session_and_the_other_does(tmp_path: Path, nodes: tuple[Server, Server]) -> None:
    """A draining server answers 503 to whoever opens a session; a POST there is not tried elsewhere."""
    draining = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with (
        Upstream(draining) as other,
        Nginx(tmp_path / "nginx", other.port, nodes[1].port, http=BEHIND_A_PROXY) as nginx,
    ):
        assert {ask(nginx, phone, OPENING).status for phone in PHONES} == {200}
        assert other.requests
