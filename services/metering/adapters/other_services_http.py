"""What accounts and billing say of all accounts and all orders, page by page, for the audit."""

from collections.abc import AsyncIterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from services.metering.domain.audit.orders import Order, Registration
from shared.contracts.internal.accounts import AccountPage
from shared.contracts.internal.billing import PurchasePage
from shared.errors import Unavailable
from shared.http.internal import InternalClient

ROWS_PER_PAGE = 500

PageT = TypeVar("PageT", bound=BaseModel)


async def list_registrations(accounts: InternalClient) -> AsyncIterator[list[Registration]]:
    """Raises Unavailable."""
    after: str | None = ""
    while after is not None:
        page = await _get(accounts, "/internal/accounts", after, AccountPage)
        yield [Registration(each.account_id, each.registered_at, each.has_trial) for each in page.accounts]
        after = _next(after, page.next_after)


async def list_orders(billing: InternalClient) -> AsyncIterator[list[Order]]:
    """Raises Unavailable."""
    after: str | None = ""
    while after is not None:
        page = await _get(billing, "/internal/purchases", after, PurchasePage)
        yield [
            Order(
                each.purchase_id,
                each.account_id,
                each.tokens,
                each.is_credited,
                each.paid_at or each.created_at,
            )
            for each in page.purchases
        ]
        after = _next(after, page.next_after)


def _next(after: str, next_after: str | None) -> str | None:
    """Pages that lead to themselves would never end. Raises Unavailable."""
    if next_after == after:
        raise Unavailable("A page follows itself.")
    return next_after


async def _get(client: InternalClient, path: str, after: str, page: type[PageT]) -> PageT:
    params: dict[str, object] = {"limit": ROWS_PER_PAGE} | ({"after": after} if after else {})
    reply = await client.get(path, params)
    if reply.status_code != 200:
        raise Unavailable(f"{path} answers {reply.status_code}.")
    try:
        return page.model_validate_json(reply.content)
    except ValidationError as error:
        raise Unavailable(f"{path} answers what nobody agreed on.") from error
