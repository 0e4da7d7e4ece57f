"""Where nothing is sent."""

from __future__ import annotations

import pytest

from thaw.gateway.events.addresses import refusal

OWN = {"10.96.0.1", "fd00::10"}


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("fd00:ec2::254", "metadata service"),
        ("10.96.0.1", "Thaw's own"),
        ("::ffff:10.96.0.1", "Thaw's own"),
        ("fd00::10", "Thaw's own"),
    ],
)
def test_refused(address: str, why: str) -> None:
    assert why in refusal(address, OWN)


@pytest.mark.parametrize("address", ["10.96.0.2", "192.168.1.1", "93.184.215.14", "fd00::11", "2606:2800:21f::1"])
def test_reached(address: str) -> None:
    assert refusal(address, OWN) == ""
