"""The first lock of every door that is the operator's: the client's network, before anything that was sent is read.

A forwarded address counts only from a trusted proxy; a claim by anybody else is refused and logged."""

import structlog
from starlette.requests import Request

from shared.errors import Kind, PromptlyError
from shared.http.client_address import client_address, is_within
from shared.setting_values import Network

log = structlog.get_logger()


class NotForYou(PromptlyError):
    """Outside the operator's networks, or without the admin key."""

    kind = Kind.FORBIDDEN
    code = "forbidden"


def operator_address(
    request: Request, *, allowed: tuple[Network, ...], trusted_proxies: tuple[Network, ...]
) -> str:
    """The client's address, if it may knock at all. Raises NotForYou."""
    client = client_address(request.scope, trusted_proxies)
    peer = client_address(request.scope, ())
    if "x-forwarded-for" in request.headers and not is_within(peer, trusted_proxies):
        log.warning("admin_untrusted_proxy", peer=peer)
        raise _refused()
    if not is_within(client, allowed):
        log.warning("admin_foreign_network", client=client)
        raise _refused()
    return client


def _refused() -> NotForYou:
    return NotForYou("This page is for the operator, from the operator's own network.")
