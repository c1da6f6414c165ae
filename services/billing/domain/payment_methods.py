"""How one can pay, and why one cannot yet.

A method counts as configured only when all settings of its provider are given: an empty webhook secret would
make every signature easy to forge.
"""

from enum import StrEnum

from shared.errors import Kind, PromptlyError


class Method(StrEnum):
    STRIPE = "stripe"
    BTCPAY = "btcpay"


TITLES = {Method.STRIPE: "Payment by card", Method.BTCPAY: "Payment in Bitcoin"}


class NotConfigured(PromptlyError):
    """The operator has not set this provider up."""

    kind = Kind.UNAVAILABLE
    code = "not_configured"


class NotSupported(PromptlyError):
    """The provider is set up, but this version cannot take its payments."""

    kind = Kind.UNAVAILABLE
    code = "not_supported"


def refusal(method: Method | None, configured: frozenset[Method]) -> NotConfigured | NotSupported:
    """Why nobody can pay this way, or, without a method, at all. Never pretends: nothing is ordered and no
    event is accepted that nobody would act on."""
    title = TITLES[method] if method else "Payment"
    if configured.isdisjoint([method] if method else Method):
        return NotConfigured(f"{title} is not configured yet.")
    return NotSupported(f"{title} is configured, but not supported by this version yet.")
