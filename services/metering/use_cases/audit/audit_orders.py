"""I7, across services: trials as accounts knows them, orders as billing does. What one of them cannot say is not
checked, and said to be so."""

from services.metering.adapters import audit_lists_postgres as ledger
from services.metering.adapters.other_services_http import list_orders, list_registrations
from services.metering.domain.audit.findings import Check, Report
from services.metering.domain.audit.orders import (
    credits_without_order,
    differing_orders,
    differing_trials,
    unregistered,
)
from shared.clock import utc_now
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.postgres import Pool

ROWS_AT_ONCE = 500


async def audit_trials(pool: Pool, report: Report, accounts: InternalClient) -> None:
    """The ids of all accounts are kept meanwhile: a few megabytes for 100,000."""
    registered: set[str] = set()
    try:
        async for page in list_registrations(accounts):
            ids = [each.account_id for each in page]
            registered.update(ids)
            given = await ledger.list_given(pool, [f"trial:{each}" for each in ids])
            trials = {each.account_id: each for each in given.values()}
            known = await ledger.list_known(pool, ids)
            report.found(differing_trials(page, trials, known, utc_now()))
            report.examined(Check.ORDERS, len(page))
    except Unavailable:
        report.not_checked(Check.ORDERS, "trials: accounts does not answer")
        return
    after = ""
    while open_accounts := await ledger.list_open_accounts(pool, after=after, limit=ROWS_AT_ONCE):
        report.found(unregistered(open_accounts, registered))
        after = open_accounts[-1]


async def audit_orders(pool: Pool, report: Report, billing: InternalClient) -> None:
    known: set[str] = set()
    try:
        async for page in list_orders(billing):
            known.update(each.purchase_id for each in page)
            given = await ledger.list_given(pool, [f"purchase:{each.purchase_id}" for each in page])
            report.found(differing_orders(page, given, utc_now()))
            report.examined(Check.ORDERS, len(page))
    except Unavailable:
        report.not_checked(Check.ORDERS, "orders: billing does not answer")
        return
    after = ""
    while given_for_orders := await ledger.list_purchase_grants(pool, after=after, limit=ROWS_AT_ONCE):
        report.found(credits_without_order(given_for_orders, known))
        after = given_for_orders[-1].source
