"""An operator's word: what is told as missing was published again (`python -m services.gateway replay`), or never comes.

A replay brings the records back under other numbers; the numbers of the batches that the broker lost stay missing, and
no account that Redis loses would open for a day.
"""

from datetime import datetime

from services.metering.adapters import batches_postgres
from services.metering.domain.batches import Gap
from services.metering.use_cases.follow_batches import REPORT_AFTER
from shared.postgres import Pool


async def give_up_batches(pool: Pool, now: datetime) -> list[Gap]:
    """Only what was missing for long enough to be told: what is on its way is waited for, as ever."""
    async with pool.acquire() as connection, connection.transaction():
        await batches_postgres.fold_posted(connection, now)
        await batches_postgres.note_gaps(connection, now)
        return await batches_postgres.give_up_gaps(connection, now, after=REPORT_AFTER)
