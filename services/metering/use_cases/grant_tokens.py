"""An operator grants tokens that end, like a trial; the same id gives once."""

from datetime import datetime

from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import add_grant, find_owner
from services.metering.domain.adjustments import EndsInThePast, IdTaken
from services.metering.domain.entries import filling
from services.metering.domain.grants import NewGrant
from services.metering.use_cases.change_account import change_account
from shared.postgres import Pool


async def grant_tokens(pool: Pool, grant: NewGrant, *, reason: str, now: datetime) -> None:
    """Raises EndsInThePast, AccountUnknown, AccountDeletedBefore, IdTaken."""
    if grant.expires_at is not None and grant.expires_at <= now:
        raise EndsInThePast
    async with change_account(pool, grant.account_id) as connection:
        if await add_grant(connection, grant):
            entries = [filling(grant, reason=reason)]
            await post_entries(connection, {grant.account_id: entries}, now)
        elif await find_owner(connection, grant.source) != grant.account_id:
            raise IdTaken("grant_id")
