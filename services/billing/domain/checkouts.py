"""Where a customer pays, and what a checkout cannot be made of."""

from dataclasses import dataclass

from shared.errors import Kind, PromptlyError


@dataclass(frozen=True, slots=True)
class Checkout:
    """A session or an invoice at the provider; `url` is where the customer is sent."""

    provider_id: str
    url: str


class ProviderFailing(PromptlyError):
    """The provider does not answer, or not as it should."""

    kind = Kind.UPSTREAM
    code = "payment_provider_failing"


class FormIsStale(PromptlyError):
    """The order named in the form is another one, or cannot be paid any more."""

    kind = Kind.INVALID
    code = "form_is_stale"


class TooManyOrders(PromptlyError):
    """More checkouts were begun than anybody pays."""

    kind = Kind.LIMITED
    code = "too_many_orders"
