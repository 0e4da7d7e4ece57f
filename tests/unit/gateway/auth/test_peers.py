"""Whose address counts."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from thaw.gateway.auth.peers import peer

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.1.2.3", "10.9.9.9", "10.9.9.9"),
        ("10.1.2.3", "invented", "10.1.2.3"),
        ("::ffff:10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("fd00::1", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", "fe80::/64"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_nearest_that_is_no_trusted_proxy(remote: str, forwarded: str, address: str) -> None:
    assert peer(remote, forwarded, TRUSTED) == address
