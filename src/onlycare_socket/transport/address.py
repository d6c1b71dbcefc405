"""Who is really asking, when a reverse proxy stands in between (contract section 4)."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

MAX_HOPS = 32
"""Entries of `X-Forwarded-For` that are looked at, from the right."""

KNOWN_PEERS = 1024
"""Peers of which it is remembered whether they are proxies: behind nginx there is one, for every connect."""


class Proxies:
    """The proxies whose word is believed."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._trusted = tuple(trusted)
        self._known = lru_cache(KNOWN_PEERS)(self._look_at)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address of the client: the right-most entry of `X-Forwarded-For` that no trusted proxy wrote.

        `peer` is the other end of the connection, `forwarded` the lines of that header, believed only from a trusted
        peer. An entry that is no address ends the search: what stands left of it was written by somebody unknown.
        Empty when the peer is gone already.
        """
        address, trusted = self._known(peer)
        if not trusted or not forwarded:
            return address
        hops = [hop for line in forwarded for hop in line.split(",")]
        for hop in reversed(hops[-MAX_HOPS:]):
            claimed = _parse(hop.strip())
            if claimed is None:
                break
            address = str(claimed)
            if not self._trusts(claimed):
                break
        return address

    def _look_at(self, peer: str) -> tuple[str, bool]:
        """A peer's address as it is written here, and whether it is a trusted proxy's."""
        address = _parse(peer)
        return (peer, False) if address is None else (str(address), self._trusts(address))

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, with a port, in brackets, or IPv4 mapped into IPv6."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
