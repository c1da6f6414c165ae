"""Who is calling: the right-most X-Forwarded-For entry outside TRUSTED_PROXIES, else the peer.

An entry that is no address is nobody's: taken for the proxy that passed it on, it would stand inside the
operator's networks. uvicorn's proxy headers stay off; this is the only reading of the header.
"""

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
    return address_behind(peer_of(scope), forwarded_for(scope), trusted_proxies)


def peer_of(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else UNKNOWN


def forwarded_for(scope: Scope) -> tuple[bytes, ...]:
    """The values of X-Forwarded-For, each of which may hold several entries."""
    return tuple([value for name, value in scope["headers"] if name == b"x-forwarded-for"])


def address_behind(peer: str, forwarded: tuple[bytes, ...], trusted_proxies: tuple[Network, ...]) -> str:
    if not is_within(peer, trusted_proxies):
        return peer
    for entry in reversed(_entries_of(forwarded)):
        if not is_within(entry, trusted_proxies):
            return entry if _parse(entry) else UNKNOWN
    return peer


def limit_subject(address: str) -> str:
    """What a per-address limit counts by: an IPv4 address, or the /64 of an IPv6 one."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_LIMIT_PREFIX), strict=False))
    return address if parsed is None else str(parsed)


def _entries_of(forwarded: tuple[bytes, ...]) -> list[str]:
    values = [value.decode("latin-1") for value in forwarded]
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
