"""What a signed event says at most: look that object up. Nothing else in it is believed or kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from services.billing.domain.payment_methods import Method

ID_LENGTH_MAX = 255
REFUND_ANNOUNCED = "InvoiceRefund"


class Subject(StrEnum):
    SESSION = "session"
    PAYMENT = "payment"
    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"
    INVOICE = "invoice"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Hint:
    """One event of a provider. `occurred_at` is the provider's clock."""

    method: Method
    event_id: str
    event_type: str
    subject: Subject
    subject_id: str
    occurred_at: datetime | None


class NotAnEvent(ValueError):
    """Well signed, but without what every event has."""


SUBJECTS = {
    "checkout.session": Subject.SESSION,
    "payment_intent": Subject.PAYMENT,
    "charge": Subject.CHARGE,
    "refund": Subject.REFUND,
    "dispute": Subject.DISPUTE,
    "charge.dispute": Subject.DISPUTE,
}


def hint_of_stripe(event: object) -> Hint:
    """Snapshot events carry the object, thin ones (`v2.core.event`) only name it."""
    if not isinstance(event, Mapping):
        raise NotAnEvent("an event is an object")
    if event.get("object") == "v2.core.event":
        related = _mapping(event.get("related_object"))
        return _stripe_hint(event, str(related.get("type")), related.get("id"), _iso(event.get("created")))
    about = _mapping(_mapping(event.get("data")).get("object"))
    kind = str(about.get("object"))
    if "payment_intent" in about and kind in ("charge", "refund", "dispute"):
        return _stripe_hint(event, "payment_intent", about["payment_intent"], _unix(event.get("created")))
    return _stripe_hint(event, kind, about.get("id"), _unix(event.get("created")))


def hint_of_btcpay(event: object) -> Hint:
    if not isinstance(event, Mapping):
        raise NotAnEvent("an event is an object")
    invoice_id = event.get("invoiceId")
    return Hint(
        Method.BTCPAY,
        _text(event.get("deliveryId"), "deliveryId"),
        _text(event.get("type"), "type"),
        Subject.INVOICE if invoice_id else Subject.OTHER,
        _text(invoice_id, "invoiceId") if invoice_id else "",
        _unix(event.get("timestamp")),
    )


def _stripe_hint(event: Mapping[str, Any], kind: str, about_id: object, at: datetime | None) -> Hint:
    subject = SUBJECTS.get(kind, Subject.OTHER) if about_id else Subject.OTHER
    return Hint(
        Method.STRIPE,
        _text(event.get("id"), "id"),
        _text(event.get("type"), "type"),
        subject,
        _text(about_id, "object id") if subject is not Subject.OTHER else "",
        at,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object, name: str) -> str:
    """Printable ASCII, as all their names are: what JSON can hold besides is no text to the database."""
    if not isinstance(value, str) or not 0 < len(value) <= ID_LENGTH_MAX:
        raise NotAnEvent(f"{name} is missing")
    if not (value.isascii() and value.isprintable()):
        raise NotAnEvent(f"{name} is no name")
    return value


def _unix(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(str(value)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
