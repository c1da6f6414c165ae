"""The address that limits count by cannot be chosen by the client."""

from ipaddress import ip_network

import pytest
from starlette.types import Scope

from shared.http.client_address import client_address, limit_subject

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def scope(peer: str, *forwarded: str) -> Scope:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": (peer, 1234), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),  # an untrusted peer's header is a claim
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("1.2.3.4, 198.51.100.1",), "198.51.100.1"),  # the left part is the client's claim
        ("10.0.0.1", ("1.2.3.4", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("198.51.100.1, 10.0.0.7",), "198.51.100.1"),
        ("10.0.0.1", ("10.0.0.7",), "10.0.0.1"),
        (
            "10.0.0.1",
            ("not an address",),
            "0.0.0.0",
        ),  # and not the proxy: that may be of the operator's network
        ("10.0.0.1", (), "10.0.0.1"),
        ("::1", ("2001:db8::7",), "2001:db8::7"),
    ],
)
def test_the_rightmost_untrusted_entry_counts(peer: str, forwarded: tuple[str, ...], client: str) -> None:
    assert client_address(scope(peer, *forwarded), PROXIES) == client


def test_ipv6_is_limited_by_its_64() -> None:
    assert (
        limit_subject("2001:db8:1:2:aaaa::1") == limit_subject("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    )


def test_ipv4_is_limited_by_itself_however_written() -> None:
    assert limit_subject("198.51.100.1") == limit_subject("::ffff:198.51.100.1") == "198.51.100.1"
