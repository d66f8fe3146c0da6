"""Where a request comes from."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from fastapi import Request


def client_address(request: Request) -> str:
    """The client's IP address."""
    return request.client.host if request.client else ""


def client_key(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network that one IPv6 subscriber has to himself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and not parsed.is_loopback:
        return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
    return address


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def keeps_passwords_unseen(request: Request) -> bool:
    """Whether nobody sees a password on its way: it comes over TLS, or from this machine."""
    return request.url.scheme == "https" or is_loopback(client_address(request))
