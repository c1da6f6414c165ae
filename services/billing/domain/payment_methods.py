"""How one can pay.

A method counts as configured only when all settings of its provider are given: an empty webhook secret would
make every signature easy to forge.
"""

from enum import StrEnum

from shared.errors import Kind, PromptlyError


class Method(StrEnum):
    STRIPE = "stripe"
    BTCPAY = "btcpay"


INVITATIONS = {Method.STRIPE: "Pay by card", Method.BTCPAY: "Pay in Bitcoin"}
TITLES = {Method.STRIPE: "Payment by card", Method.BTCPAY: "Payment in Bitcoin"}


class NotConfigured(PromptlyError):
    """The operator has not set this provider up, or, without a method, none."""

    kind = Kind.UNAVAILABLE
    code = "not_configured"

    def __init__(self, method: Method | None) -> None:
        super().__init__(f"{TITLES[method] if method else 'Payment'} is not configured yet.")
