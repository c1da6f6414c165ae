"""A request's receipt as it is signed: one text for the same facts, whoever writes it."""

import json
from typing import ClassVar
from uuid import UUID

from shared.contracts.internal.metering import Receipt
from shared.errors import Kind, PromptlyError


class ReceiptUnknown(PromptlyError):
    """Nothing of this request is posted for the account (yet)."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "request_unknown"

    def __init__(self, request_id: UUID) -> None:
        super().__init__(f"Nothing is posted for the request {request_id}.", param="request_id")


class ReceiptsNotSigned(PromptlyError):
    """There is no key to sign with, and will be none until the operator sets one: asking again does not help."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "receipts_not_signed"

    def __init__(self) -> None:
        super().__init__("Receipts are not signed here: RECEIPT_SIGNING_KEY is not set.")


def canonical(receipt: Receipt) -> str:
    """Canonical JSON: keys sorted, no spaces, text as it is."""
    facts = receipt.model_dump(mode="json")
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
