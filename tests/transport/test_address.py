"""Whose address counts when proxies stand in between."""

from ipaddress import ip_network

import pytest

from onlycare_socket.transport.address import Proxies
from onlycare_socket.transport.options import LOOPBACK

PROXIES = (*LOOPBACK, ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["6.6.6.6", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["198.51.100.1, nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, nonsense, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("127.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["6.6.6.6, " + "10.0.0.1, " * 100 + "10.0.0.2"], "10.0.0.1"),
    ],
)
def test_the_right_most_entry_no_trusted_proxy_wrote(peer: str, forwarded: list[str], address: str) -> None:
    assert Proxies(PROXIES).client(peer, forwarded) == address


def test_a_peer_that_is_gone_has_no_address() -> None:
    assert Proxies(PROXIES).client("", []) == ""
