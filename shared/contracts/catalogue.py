"""Every event there is, by its type. A new event is a class, a line here, and a golden example."""

from shared.contracts import accounts, billing, gateway, metering
from shared.contracts.envelope import Envelope, Event

EVENT_CLASSES: dict[str, type[Event]] = {
    event_class.TYPE: event_class
    for event_class in (
        accounts.AccountRegistered,
        accounts.KeyIssued,
        accounts.RecoveryRequested,
        accounts.AccountDeleted,
        gateway.UsageRecorded,
        metering.BalanceLow,
        metering.BalanceExhausted,
        metering.TrialEnding,
        billing.PurchaseCompleted,
        billing.PurchaseReversed,
        billing.PurchaseFrozen,
        billing.PurchaseReleased,
    )
}


class UnknownEvent(LookupError):
    """No class is registered for this event type."""


def unwrap(envelope: Envelope) -> Event:
    """The event inside. Raises UnknownEvent, or pydantic.ValidationError on wrong data."""
    event_class = EVENT_CLASSES.get(envelope.type)
    if event_class is None:
        raise UnknownEvent(envelope.type)
    return event_class.model_validate(envelope.data)
