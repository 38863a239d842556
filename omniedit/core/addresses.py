"""Which network addresses a clip may be fetched from or called back at.

Rules of this room:
- pure: names are not looked up here; what a lookup brought comes in as text;
- IPv6 forms that carry an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64) are judged by both;
- link-local addresses and the other places where clouds keep their metadata services are never allowed, not even
  beside a local service.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from enum import Enum

__all__ = ["Reach", "forbidden", "reach_of_address", "reach_of_host"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")  # RFC 3056
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")  # the private addresses before fc00::/7 (RFC 3879)
# Metadata services outside the link-local ranges: Amazon and Google over IPv6, Alibaba, Oracle, and the platform behind
# every virtual machine of Azure (learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".intranet")
# What `inet_aton` takes for an IPv4 address: one to four decimal, octal or hexadecimal numbers.
_ATON = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


class Reach(Enum):
    """From where an address can be reached."""

    public = "public"
    loopback = "loopback"
    private = "private"
    never = "never"
    """Link-local (metadata services), multicast, unspecified, reserved: no clip lies there."""


# The narrower reach wins when an address carries another one.
_NARROWNESS = (Reach.public, Reach.private, Reach.loopback, Reach.never)


def reach_of_address(text: str) -> Reach:
    """Judge an address as a lookup writes it, with or without a zone (`fe80::1%eth0`). Nonsense is `never`."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return Reach.never
    return max((_reach(each) for each in (address, *_carried(address))), key=_NARROWNESS.index)


def reach_of_host(host: str) -> Reach | None:
    """Judge the host of a URL as far as it can be judged without a lookup; None for a name that must be looked up."""
    bare = _mapped(host).strip("[]").rstrip(".").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return Reach.loopback
    if bare.endswith(_LOCAL_NAMES):
        return Reach.private
    if ":" in bare:
        return reach_of_address(bare)
    if _ATON.fullmatch(bare):
        return reach_of_address(_from_aton(bare))
    return None


def forbidden(addresses: tuple[str, ...], *, allow_private: bool) -> str | None:
    """The first of a name's addresses that nothing may be fetched from; None when all are allowed.

    One forbidden address among public ones spoils the name: the next lookup may answer with that one alone.
    """
    allowed = {Reach.public, Reach.loopback, Reach.private} if allow_private else {Reach.public}
    return next((text for text in addresses if reach_of_address(text) not in allowed), None)


def _reach(address: _Address) -> Reach:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return _reach(address.ipv4_mapped)
    if address.is_loopback:
        return Reach.loopback
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return Reach.never
    if address in _SITE_LOCAL:  # for which some versions of Python say "global"
        return Reach.private
    if address.is_global or address in _SIX_TO_FOUR:  # judged by what it carries, as versions differ
        return Reach.public
    # "This network" (0.0.0.0/8) reaches the own host on some systems.
    if address.is_reserved or int(address) < 1 << 24:
        return Reach.never
    return Reach.private if address.is_private or address in _SHARED else Reach.never


def _carried(address: _Address) -> Iterator[_Address]:
    """The IPv4 addresses inside an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    inside = any(address in network for network in _NAT64)
    if inside or (address in _COMPATIBLE and int(address) > 1):
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _mapped(host: str) -> str:
    """A host in the characters that it is looked up with: wide and circled digits are digits (UTS 46, section 4)."""
    return unicodedata.normalize("NFKC", host).replace("\u3002", ".")  # the one full stop that NFKC leaves


def _from_aton(text: str) -> str:
    """The dotted form of what `inet_aton` understands; an empty string when a number does not fit."""
    try:
        *front, last = [_number(part) for part in text.split(".")]
    except ValueError:
        return ""
    if any(part > 255 for part in front) or last >= 256 ** (4 - len(front)):
        return ""
    value = last + sum(part << (8 * (3 - place)) for place, part in enumerate(front))
    return str(ipaddress.IPv4Address(value))


def _number(text: str) -> int:
    if text.lower().startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8) if text.startswith("0") else int(text)
