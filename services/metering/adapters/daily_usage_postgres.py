"""Daily totals: changed in the transaction that posts what they sum up."""

from collections.abc import Mapping
from datetime import date

from services.metering.domain.daily_totals import DailyChange
from shared.contracts.internal.metering import UsageDay
from shared.ids import AccountId
from shared.postgres import Connection, Pool


async def change_days(
    connection: Connection, days_by_account: Mapping[AccountId, Mapping[date, DailyChange]]
) -> None:
    """The caller holds the accounts' locks; without them two first rows of a day could collide."""
    rows = [
        (account_id, day, change.requests, change.tokens_prompt, change.tokens_completion)
        for account_id, days in days_by_account.items()
        for day, change in days.items()
    ]
    if not rows:
        return
    await connection.execute(
        """
        MERGE INTO daily_usage AS total
        USING unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[])
            AS change (account_id, day, requests, tokens_prompt, tokens_completion)
        ON total.account_id = change.account_id AND total.day = change.day
        WHEN MATCHED THEN UPDATE SET
            requests = total.requests + change.requests,
            tokens_prompt = total.tokens_prompt + change.tokens_prompt,
            tokens_completion = total.tokens_completion + change.tokens_completion
        WHEN NOT MATCHED THEN INSERT (account_id, day, requests, tokens_prompt, tokens_completion)
            VALUES (account_id, day, change.requests, change.tokens_prompt, change.tokens_completion)
        """,
        *(list(column) for column in zip(*rows, strict=True)),
    )


async def list_days(pool: Pool, account_id: AccountId, *, since: date) -> list[UsageDay]:
    """Newest first; days without usage are absent."""
    rows = await pool.fetch(
        """
        SELECT day, requests, tokens_prompt, tokens_completion FROM daily_usage
        WHERE account_id = $1 AND day >= $2
        ORDER BY day DESC
        """,
        account_id,
        since,
    )
    return [UsageDay(**row) for row in rows]
