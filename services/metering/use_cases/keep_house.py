"""Makes partitions of usage before they are needed, drops those past the retention, empties the inbox."""

from datetime import datetime, timedelta

import structlog

from services.metering.adapters.partitions_postgres import drop_old_partitions, make_partitions
from shared import inbox
from shared.postgres import Pool

MONTHS_AHEAD = 6
"""So long may it fail, and be seen to, before usage goes to the partition for what has none."""

log = structlog.get_logger()


async def keep_house(pool: Pool, now: datetime, *, retention: timedelta) -> None:
    """Replica-safe; what was refused a lock is done the next time."""
    for name in await make_partitions(pool, months_ahead=MONTHS_AHEAD):
        log.info("usage_partition_made", partition=name)
    for name in await drop_old_partitions(pool, retention=retention):
        log.info("usage_partition_dropped", partition=name)
    while await inbox.prune(pool, now) == inbox.PRUNE_ROWS_MAX:
        pass
