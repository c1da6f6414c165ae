"""Writes what happened to an order into the outbox, in the transaction that books it."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from services.billing.adapters.receipts_postgres import get_receipt_number
from services.billing.domain.consequences import Consequence, Credited, Frozen, Released, Reversed
from services.billing.domain.orders import Order
from shared import outbox
from shared.contracts import billing
from shared.contracts.envelope import Event
from shared.postgres import Connection

SOURCE = "billing"


async def tell(connection: Connection, order: Order, told: Sequence[Consequence], *, now: datetime) -> None:
    """`order` is as it was before: the events count on from its version."""
    for revision, each in enumerate(told, start=order.version + 1):
        event = await _event(connection, order, each, revision)
        await outbox.add(connection, event, source=SOURCE, subject=order.account_id, now=now)


async def _event(connection: Connection, order: Order, told: Consequence, revision: int) -> Event:
    purchase_id, account_id = str(order.order_id), order.account_id
    match told:
        case Credited(tokens):
            return await _completed(connection, order, tokens, revision)
        case Reversed(tokens, reason):
            return billing.PurchaseReversed(
                purchase_id=purchase_id,
                account_id=account_id,
                tokens=tokens,
                reason=reason,
                revision=revision,
            )
        case Frozen(tokens):
            return billing.PurchaseFrozen(
                purchase_id=purchase_id, account_id=account_id, tokens=tokens, revision=revision
            )
        case Released(tokens):
            return billing.PurchaseReleased(
                purchase_id=purchase_id, account_id=account_id, tokens=tokens, revision=revision
            )
    assert_never(told)


async def _completed(
    connection: Connection, order: Order, tokens: int, revision: int
) -> billing.PurchaseCompleted:
    return billing.PurchaseCompleted(
        purchase_id=str(order.order_id),
        account_id=order.account_id,
        tokens=tokens,
        pack=order.pack,
        amount_cents=order.price.amount_cents,
        currency=order.price.currency,
        method=order.method.value,
        receipt_number=await get_receipt_number(connection, order.order_id),
        revision=revision,
    )
