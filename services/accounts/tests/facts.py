"""Examples of what the neighbours tell: a purchase, a receipt, a review, a mail."""

from typing import Any
from uuid import UUID

from shared.clock import utc_now
from shared.contracts.internal.billing import Purchase, Review
from shared.contracts.internal.metering import Receipt
from shared.contracts.internal.notifier import MailSeen

NOW = utc_now()


def purchase(account_id: str, **given: Any) -> Purchase:
    standard: dict[str, Any] = {
        "purchase_id": "p-1",
        "account_id": account_id,
        "pack": "pro",
        "tokens": 100_000_000,
        "tokens_reversed": 0,
        "is_credited": True,
        "is_frozen": False,
        "amount_cents": 600,
        "currency": "usd",
        "method": "stripe",
        "state": "paid",
        "receipt_number": "P-2026-0001",
        "created_at": NOW,
        "paid_at": NOW,
    }
    return Purchase(**{**standard, **given})


def receipt(account_id: str, **given: Any) -> Receipt:
    standard: dict[str, Any] = {
        "request_id": UUID("01a20847-367c-7339-b68c-009d45415deb"),
        "account_id": account_id,
        "key_id": "01a20847-3669-72e4-9ba7-c00b9f606617",
        "endpoint": "/v1/chat/completions",
        "model": "gpt-oss-20b-mxfp4.gguf",
        "tokens_prompt": 40,
        "tokens_completion": 20,
        "tokens_cached": 0,
        "tokens_charged": 60,
        "outcome": "completed",
        "estimated": False,
        "revision": 2,
        "admitted_at": NOW,
        "ended_at": NOW,
    }
    return Receipt(**{**standard, **given})


def review(account_id: str) -> Review:
    return Review(
        review_id="r-1",
        purchase=purchase(account_id, state="review"),
        reason="Paid 5.00 of 6.00.",
        decisions=("credit", "refund"),
        created_at=NOW,
    )


def refused_mail(account_id: str) -> MailSeen:
    return MailSeen(
        mail_id="m-1",
        account_id=account_id,
        kind="key_registered",
        state="refused",
        attempts=3,
        last_reply="550 no such user",
        created_at=NOW,
        ended_at=NOW,
    )
