"""One account's usage summed up by day, model or key: whole days from the daily totals, parts of days from the
requests themselves."""

from services.metering.domain.windows import ADMITTED_WITHIN, Window
from shared.contracts.internal.metering import GroupBy, UsageRow
from shared.ids import AccountId
from shared.postgres import Pool


async def list_usage(
    pool: Pool, account_id: AccountId, group_by: GroupBy, window: Window, *, after: str | None, limit: int
) -> list[UsageRow]:
    """Days newest first, models and keys by name; `after` is the last group seen."""
    edges = list(window.edges())
    rows = await pool.fetch(
        """
        WITH counted AS (
            SELECT day, model, key_id, requests, tokens_prompt, tokens_completion, tokens_cached
            FROM daily_usage WHERE account_id = $1 AND day >= $2 AND day < $3
            UNION ALL
            SELECT (admitted_at AT TIME ZONE 'UTC')::date, model, key_id,
                1, tokens_prompt, tokens_completion, tokens_cached
            FROM unnest($4::timestamptz[], $5::timestamptz[]) AS edge (since, until)
            CROSS JOIN LATERAL (
                SELECT DISTINCT ON (request_id) * FROM usage
                WHERE account_id = $1
                    AND request_id >= first_request_id(edge.since - $9::interval)
                    AND request_id < first_request_id(edge.until + $9::interval)
                ORDER BY request_id DESC, revision DESC
            ) AS request
            WHERE admitted_at >= edge.since AND admitted_at < edge.until
        ), grouped AS (
            SELECT CASE $6 WHEN 'day' THEN to_char(day, 'YYYY-MM-DD') WHEN 'model' THEN model ELSE key_id END
                COLLATE "C" AS "group", *
            FROM counted
        )
        SELECT "group", sum(requests)::bigint AS requests, sum(tokens_prompt)::bigint AS tokens_prompt,
            sum(tokens_completion)::bigint AS tokens_completion, sum(tokens_cached)::bigint AS tokens_cached
        FROM grouped
        WHERE $7::text IS NULL OR CASE $6 WHEN 'day' THEN "group" < $7 ELSE "group" > $7 END
        GROUP BY "group"
        HAVING sum(requests) > 0
        ORDER BY CASE $6 WHEN 'day' THEN "group" END DESC, "group"
        LIMIT $8
        """,
        account_id,
        window.first_whole_day,
        window.end_of_whole_days,
        [edge.since for edge in edges],
        [edge.until for edge in edges],
        group_by,
        after,
        limit,
        ADMITTED_WITHIN,
    )
    return [UsageRow(**row) for row in rows]
