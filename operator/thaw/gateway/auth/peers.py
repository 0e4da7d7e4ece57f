"""PURE: whose address a request came from, where proxies stand between."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_ONE_SITE = 64
"""Bits of an IPv6 address that a provider gives to one customer: all addresses below count as one."""


def peer(remote: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The address nearest to the gateway that is not a trusted proxy's.

    Only what a trusted proxy wrote into ``X-Forwarded-For`` is believed, from the right; the rest anybody can invent.

    :param remote: the other end of the connection.
    :param forwarded_for: the header's values, separated by commas.
    """
    chain = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    address = _address(remote)
    while address is not None and chain and any(address in network for network in trusted):
        further = _address(chain.pop())
        if further is None:
            break
        address = further
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _ONE_SITE), strict=False))
    return str(address) if address is not None else remote


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
