"""Who is really asking, when a reverse proxy stands in between (contract section 4)."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

MAX_HOPS = 32
"""Entries of `X-Forwarded-For` that are looked at, from the right."""


def client_address(request: web.BaseRequest, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address of the client: the right-most entry of `X-Forwarded-For` that no trusted proxy wrote.

    The header is believed only from a peer in `trusted`. An entry that is no address ends the search: what stands
    left of it was written by somebody unknown. Empty when the peer is gone already.
    """
    peer = request.remote or ""
    address = _parse(peer)
    if address is None or not _within(address, trusted):
        return str(address) if address is not None else peer
    hops = [hop for line in request.headers.getall("X-Forwarded-For", ()) for hop in line.split(",")]
    for hop in reversed(hops[-MAX_HOPS:]):
        claimed = _parse(hop.strip())
        if claimed is None:
            break
        address = claimed
        if not _within(address, trusted):
            break
    return str(address)


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


def _within(address: IPv4Address | IPv6Address, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
