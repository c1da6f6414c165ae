"""What Stripe would know: sessions, payments, charges, refunds, disputes, and the events about them.

Everything that changes goes through a verb here (`pay`, `refund`, `dispute`, ...), as the pay page and the tests
use it, and leaves its events. One change often makes several.
"""

import secrets
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from deploy.local.fakes.stripe_parameters import StripeRefusal

Thing = dict[str, Any]
Announce = Callable[[str, Thing], None]


class StripeStore:
    """`announce(type, object)` is called after each change. Objects by id, whatever they are."""

    def __init__(self, announce: Announce) -> None:
        self.objects: dict[str, Thing] = {}
        self._announce = announce

    def get(self, kind: str, object_id: str) -> Thing:
        found = self.objects.get(object_id)
        if found is None or found["object"] != kind:
            raise StripeRefusal(404, f"No such {kind}: '{object_id}'", code="resource_missing", param="id")
        return found

    def list_of(self, kind: str, **having: str) -> list[Thing]:
        """The newest first."""
        return [
            each
            for each in reversed(self.objects.values())
            if each["object"] == kind and all(each.get(name) == value for name, value in having.items())
        ]

    def add(self, kind: str, prefix: str, **fields: Any) -> Thing:
        thing = {
            "id": f"{prefix}_{secrets.token_hex(12)}",
            "object": kind,
            "created": int(time.time()),
            "livemode": False,
            **fields,
        }
        self.objects[thing["id"]] = thing
        return thing

    def session(self, session_id: str) -> Thing:
        """Ended, when its time has come."""
        session = self.get("checkout.session", session_id)
        if session["status"] == "open" and session["expires_at"] <= time.time():
            self.expire(session)
        return session

    def charge_of(self, session: Thing) -> Thing:
        """Raises StripeRefusal when nothing was charged."""
        intent = self.objects.get(session["payment_intent"] or "", {})
        return self.get("charge", intent.get("latest_charge") or "")

    def expire(self, session: Thing) -> None:
        _require(session, "open")
        session["status"] = "expired"
        self._announce("checkout.session.expired", session)

    def pay(self, session: Thing) -> None:
        """By card: at once."""
        self._complete(session, "succeeded")
        self._charge(session)
        session["payment_status"] = "paid"
        self._announce("checkout.session.completed", session)

    def pay_later(self, session: Thing) -> None:
        """By a way that takes days: completed, and not yet paid."""
        self._complete(session, "processing")
        self._announce("checkout.session.completed", session)

    def money_arrives(self, session: Thing) -> None:
        self._intent(session)["status"] = "succeeded"
        self._charge(session)
        session["payment_status"] = "paid"
        self._announce("checkout.session.async_payment_succeeded", session)

    def money_fails(self, session: Thing) -> None:
        self._intent(session)["status"] = "requires_payment_method"
        self._announce("checkout.session.async_payment_failed", session)

    def refund(self, session: Thing, amount_cents: int) -> Thing:
        charge = self.charge_of(session)
        if not 0 < amount_cents <= charge["amount"] - charge["amount_refunded"]:
            raise StripeRefusal(
                400, "Refund amount is greater than unrefunded amount.", code="charge_already_refunded"
            )
        self._set_refunded(charge, charge["amount_refunded"] + amount_cents)
        refund = self.add(
            "refund",
            "re",
            amount=amount_cents,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=charge["payment_intent"],
            status="succeeded",
        )
        self._announce("refund.created", refund)
        self._announce("charge.refunded", charge)
        return refund

    def refund_fails(self, refund: Thing) -> None:
        charge = self.get("charge", refund["charge"])
        self._set_refunded(charge, charge["amount_refunded"] - refund["amount"])
        refund["status"] = "failed"
        self._announce("refund.failed", refund)

    def dispute(self, session: Thing, status: str) -> Thing:
        charge = self.charge_of(session)
        charge["disputed"] = True
        dispute = self.add(
            "dispute",
            "du",
            amount=charge["amount"],
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=charge["payment_intent"],
            status=status,
        )
        self._announce("charge.dispute.created", dispute)
        if not status.startswith("warning"):
            self._announce("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, dispute: Thing, status: str) -> None:
        dispute["status"] = status
        if status == "won":
            self._announce("charge.dispute.funds_reinstated", dispute)
        self._announce("charge.dispute.closed", dispute)

    def _complete(self, session: Thing, intent_status: str) -> None:
        _require(session, "open")
        intent = self.add(
            "payment_intent",
            "pi",
            amount=session["amount_total"],
            currency=session["currency"],
            status=intent_status,
            metadata=deepcopy(session["payment_intent_metadata"]),
            latest_charge=None,
        )
        session |= {"status": "complete", "payment_intent": intent["id"]}

    def _charge(self, session: Thing) -> None:
        intent = self._intent(session)
        charge = self.add(
            "charge",
            "ch",
            amount=intent["amount"],
            amount_refunded=0,
            currency=intent["currency"],
            payment_intent=intent["id"],
            metadata=deepcopy(intent["metadata"]),
            paid=True,
            refunded=False,
            disputed=False,
        )
        intent["latest_charge"] = charge["id"]
        self._announce("charge.succeeded", charge)
        self._announce("payment_intent.succeeded", intent)

    def _intent(self, session: Thing) -> Thing:
        return self.get("payment_intent", session["payment_intent"] or "")

    def _set_refunded(self, charge: Thing, amount_cents: int) -> None:
        charge |= {"amount_refunded": amount_cents, "refunded": amount_cents == charge["amount"]}


def _require(session: Thing, status: str) -> None:
    if session["status"] != status:
        raise StripeRefusal(400, f"This Session is {session['status']}, not {status}.")
