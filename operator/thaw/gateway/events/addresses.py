"""PURE: addresses that no record is sent to.

Whoever configures a function must not reach what is not meant for them with the gateway's network (server-side request
forgery).
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_METADATA = ip_network("fd00:ec2::/32")
"""EC2's metadata service over IPv6; all others are link-local."""
_NAT64 = ip_network("64:ff9b::/96")
Address = IPv4Address | IPv6Address


def refusal(text: str, own: Collection[str]) -> str:
    """Why a connection to this address is refused; empty if it is not.

    :param own: addresses of Thaw's own pods and services, and of the API server.
    """
    address = _meant(ip_address(text.partition("%")[0]))
    kinds = {
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "unspecified": address.is_unspecified,
        "reserved": address.is_reserved,
        "the cloud's metadata service": address in _METADATA,
        "one of Thaw's own, or the API server's": str(address) in own,
    }
    found = next((kind for kind, is_so in kinds.items() if is_so), "")
    return f"{text} is {found}" if found else ""


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
