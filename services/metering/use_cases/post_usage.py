"""Posts batches of usage to the ledger: one transaction for all that came together, each batch once.

A batch of which something was refused is not marked in the inbox: delivered again, it is looked through again,
and what is posted stays posted once by its own key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from uuid import UUID

import structlog

from services.metering.adapters.batches_postgres import add_batches
from services.metering.domain.acceptance import Acceptance, Refused, without
from services.metering.domain.batches import Batch
from services.metering.use_cases import measure
from services.metering.use_cases.post_records import post_records
from shared import inbox
from shared.contracts.gateway import UsageRecord
from shared.errors import Poison
from shared.ids import AccountId
from shared.postgres import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one event brought."""

    event_id: UUID
    batch: Batch
    records: Sequence[UsageRecord]


async def post_usage(
    pool: Pool, deliveries: Sequence[Delivery], *, retention: timedelta, now: datetime
) -> Refused:
    """Posts what can be posted, and returns the rest."""
    started_seconds = perf_counter()
    async with pool.acquire() as connection, connection.transaction():
        seen = await inbox.list_seen(connection, [delivery.event_id for delivery in deliveries])
        fresh = [delivery for delivery in deliveries if delivery.event_id not in seen]
        records = [record for delivery in fresh for record in delivery.records]
        unacceptable = Acceptance.at(now, retention).refused(records)
        outcome = await post_records(connection, without(unacceptable, records), now)
        refused = unacceptable | outcome.refused
        await inbox.remember(connection, [each.event_id for each in fresh if _is_whole(each, refused)])
        await add_batches(connection, [delivery.batch for delivery in fresh])
    measure.batch_posted(without(refused, records), now, seconds=perf_counter() - started_seconds)
    _report(refused, outcome.uncollected)
    return refused


def _is_whole(delivery: Delivery, refused: Refused) -> bool:
    return not refused or refused.keys().isdisjoint(delivery.records)


def _report(refused: Refused, uncollected: Mapping[AccountId, int]) -> None:
    for error in refused.values():
        measure.RECORDS_SET_ASIDE.labels("poison" if isinstance(error, Poison) else "not_yet").inc()
    for account_id, tokens in uncollected.items():
        measure.TOKENS_UNCOLLECTED.inc(tokens)
        log.warning("usage_uncollected", account_id=account_id, tokens=tokens)
