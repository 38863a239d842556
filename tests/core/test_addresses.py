"""Addresses: what may be fetched from, in every way of writing it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, strategies as st

from omniedit.core.addresses import Reach, forbidden, reach_of_address, reach_of_host


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("8.8.8.8", Reach.public),
        ("2606:4700::1111", Reach.public),
        ("::ffff:8.8.8.8", Reach.public),
        ("2002:808:808::", Reach.public),
        ("64:ff9b::808:808", Reach.public),
        ("127.0.0.1", Reach.loopback),
        ("127.255.0.3", Reach.loopback),
        ("::1", Reach.loopback),
        ("::ffff:127.0.0.1", Reach.loopback),
        ("2002:7f00:1::", Reach.loopback),
        ("64:ff9b::7f00:1", Reach.loopback),
        ("10.0.0.1", Reach.private),
        ("172.16.0.1", Reach.private),
        ("192.168.1.1", Reach.private),
        ("100.64.0.1", Reach.private),
        ("fd00::1", Reach.private),
        ("fec0::1", Reach.private),
        ("feff:ffff::1", Reach.private),
        ("::ffff:10.0.0.1", Reach.private),
        ("2002:a00:1::", Reach.private),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", Reach.private),  # Teredo of a client at 10.0.0.1
        ("169.254.169.254", Reach.never),
        ("::ffff:169.254.169.254", Reach.never),
        ("::ffff:a9fe:a9fe", Reach.never),
        ("2002:a9fe:a9fe::", Reach.never),
        ("64:ff9b::a9fe:a9fe", Reach.never),
        ("fd00:ec2::254", Reach.never),
        ("fd20:ce::254", Reach.never),
        ("100.100.100.200", Reach.never),
        ("168.63.129.16", Reach.never),
        ("::ffff:168.63.129.16", Reach.never),
        ("192.0.0.192", Reach.never),
        ("fe80::1", Reach.never),
        ("fe80::1%eth0", Reach.never),
        ("0.0.0.0", Reach.never),  # noqa: S104 - an address to judge, not to bind to
        ("0.1.2.3", Reach.never),
        ("::", Reach.never),
        ("::7f00:1", Reach.loopback),
        ("224.0.0.1", Reach.never),
        ("ff02::1", Reach.never),
        ("240.0.0.1", Reach.never),
        ("255.255.255.255", Reach.never),
        ("no address", Reach.never),
        ("", Reach.never),
    ],
)
def test_an_address_is_judged_by_what_it_reaches(address: str, reach: Reach) -> None:
    """Forms that carry an IPv4 address are judged by that as well."""
    assert reach_of_address(address) is reach


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("localhost", Reach.loopback),
        ("LOCALHOST.", Reach.loopback),
        ("a.localhost", Reach.loopback),
        ("nas.local", Reach.private),
        ("metadata.google.internal", Reach.private),
        ("[::1]", Reach.loopback),
        ("::1", Reach.loopback),
        ("127.0.0.1", Reach.loopback),
        ("127.1", Reach.loopback),
        ("2130706433", Reach.loopback),
        ("0x7f000001", Reach.loopback),
        ("0x7f.0.0.1", Reach.loopback),
        ("017700000001", Reach.loopback),
        ("127.0.0.1.", Reach.loopback),
        ("0x", Reach.never),
        ("0", Reach.never),
        ("134744072", Reach.public),
        ("8.8.8.8", Reach.public),
        ("99999999999", Reach.never),
        ("256.1.1.1", Reach.never),
        ("1.2.3.256", Reach.never),
        ("08.1", Reach.never),
        ("169.254.43518", Reach.never),
        ("１２７.0.0.1", Reach.loopback),
        ("①②⑦.⓪.⓪.①", Reach.loopback),
        ("¹69.254.¹69.254", Reach.never),
        ("127。0．0｡1", Reach.loopback),
        ("ＬＯＣＡＬＨＯＳＴ。", Reach.loopback),
        ("ⅰnas.ⓛocal", Reach.private),
        ("例え.テスト", None),
        ("example.com", None),
        ("1.2.3.4.5", None),
        ("0x7f.example", None),
    ],
)
def test_a_host_is_judged_without_a_lookup_where_that_is_possible(host: str, reach: Reach | None) -> None:
    """Names that must be looked up are nobody's business yet; odd ways to write an address are not names."""
    assert reach_of_host(host) is reach


@pytest.mark.parametrize(
    ("addresses", "allow_private", "found"),
    [
        (("8.8.8.8",), False, None),
        (("8.8.8.8", "10.0.0.1"), False, "10.0.0.1"),
        (("8.8.8.8", "10.0.0.1"), True, None),
        (("127.0.0.1",), True, None),
        (("127.0.0.1", "169.254.169.254"), True, "169.254.169.254"),
        ((), False, None),
    ],
)
def test_one_forbidden_address_spoils_a_name(
    *, addresses: tuple[str, ...], allow_private: bool, found: str | None
) -> None:
    """And metadata services stay forbidden beside a local service."""
    assert forbidden(addresses, allow_private=allow_private) == found


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_however_it_is_wrapped(address: ipaddress.IPv4Address) -> None:
    """No way to write a forbidden address makes it look public."""
    plain = reach_of_address(str(address))
    number = int(address)
    assert reach_of_address(f"::ffff:{address}") is plain
    assert reach_of_host(str(number)) is plain
    assert reach_of_host(hex(number)) is plain
    for wrapped in ((0x2002 << 112) | number << 80, (0x64FF9B << 96) | number):
        assert plain is Reach.public or reach_of_address(str(ipaddress.IPv6Address(wrapped))) is not Reach.public
