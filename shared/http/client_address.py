"""Who is calling: the right-most X-Forwarded-For entry outside TRUSTED_PROXIES, else the peer.

An entry that is no address is nobody's: taken for the proxy that passed it on, it would stand inside the
operator's networks. uvicorn's proxy headers stay off; this is the only reading of the header.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import Scope

from shared.setting_values import Network

Address = IPv4Address | IPv6Address
UNKNOWN = "0.0.0.0"
IPV6_LIMIT_PREFIX = 64
"""One household or host has at least a /64: limits by single address would be none."""


def client_address(scope: Scope, trusted_proxies: tuple[Network, ...]) -> str:
    """The client's address as text."""
    peer = scope["client"][0] if scope.get("client") else UNKNOWN
    if not is_within(peer, trusted_proxies):
        return str(peer)
    for entry in reversed(_forwarded(scope["headers"])):
        if not is_within(entry, trusted_proxies):
            return entry if _parse(entry) else UNKNOWN
    return str(peer)


def limit_subject(address: str) -> str:
    """What a per-address limit counts by: an IPv4 address, or the /64 of an IPv6 one."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_LIMIT_PREFIX), strict=False))
    return address if parsed is None else str(parsed)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return [entry.strip() for value in values for entry in value.split(",") if entry.strip()]


def is_within(text: str, networks: tuple[Network, ...]) -> bool:
    """Whether the text is an address inside one of the networks."""
    address = _parse(text)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address | None:
    """An IPv4 address written as IPv6 counts as what it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
