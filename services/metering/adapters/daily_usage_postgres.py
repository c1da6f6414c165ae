"""Daily totals: changed in the transaction that posts what they sum up."""

from collections.abc import Mapping
from datetime import date

from services.metering.domain.daily_totals import DailyChanges
from shared.contracts.internal.metering import UsageDay
from shared.ids import AccountId
from shared.postgres import Connection, Pool


async def change_days(connection: Connection, days_by_account: Mapping[AccountId, DailyChanges]) -> None:
    """The caller holds the accounts' locks; without them two first rows of a day could collide."""
    rows = [
        (
            account_id,
            *day,
            change.requests,
            change.tokens_prompt,
            change.tokens_completion,
            change.tokens_cached,
        )
        for account_id, days in days_by_account.items()
        for day, change in days.items()
    ]
    if not rows:
        return
    await connection.execute(
        """
        MERGE INTO daily_usage AS total
        USING unnest($1::text[], $2::date[], $3::text[], $4::text[],
                     $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
            AS change (account_id, day, model, key_id, requests, tokens_prompt, tokens_completion, tokens_cached)
        ON total.account_id = change.account_id AND total.day = change.day
            AND total.model = change.model AND total.key_id = change.key_id
        WHEN MATCHED THEN UPDATE SET
            requests = total.requests + change.requests,
            tokens_prompt = total.tokens_prompt + change.tokens_prompt,
            tokens_completion = total.tokens_completion + change.tokens_completion,
            tokens_cached = total.tokens_cached + change.tokens_cached
        WHEN NOT MATCHED THEN INSERT (
            account_id, day, model, key_id, requests, tokens_prompt, tokens_completion, tokens_cached
        ) VALUES (
            account_id, day, model, key_id, requests, tokens_prompt, tokens_completion, tokens_cached
        )
        """,
        *(list(column) for column in zip(*rows, strict=True)),
    )


async def list_days(pool: Pool, account_id: AccountId, *, since: date) -> list[UsageDay]:
    """Newest first; days without usage are absent."""
    rows = await pool.fetch(
        """
        SELECT day, sum(requests)::bigint AS requests, sum(tokens_prompt)::bigint AS tokens_prompt,
            sum(tokens_completion)::bigint AS tokens_completion
        FROM daily_usage
        WHERE account_id = $1 AND day >= $2
        GROUP BY day ORDER BY day DESC
        """,
        account_id,
        since,
    )
    return [UsageDay(**row) for row in rows]
