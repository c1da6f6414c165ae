"""How many accounts and keys there are, for the metrics."""

from shared.postgres import Pool


async def count_accounts(pool: Pool) -> dict[str, int]:
    """By state: open, blocked or deleted."""
    row = await pool.fetchrow(
        """
        SELECT count(*) FILTER (WHERE deleted_at IS NULL AND blocked_at IS NULL) AS open,
               count(*) FILTER (WHERE deleted_at IS NULL AND blocked_at IS NOT NULL) AS blocked,
               count(*) FILTER (WHERE deleted_at IS NOT NULL) AS deleted
        FROM accounts
        """
    )
    assert row is not None, "an aggregate has one row"
    return dict(row)


async def count_keys(pool: Pool) -> dict[str, int]:
    """Those that are active, and those whose last change Redis has not been told of."""
    row = await pool.fetchrow(
        """
        SELECT count(*) FILTER (WHERE state = 'active') AS active,
               count(*) FILTER (WHERE mirrored_version < version) AS unmirrored
        FROM api_keys
        """
    )
    assert row is not None, "an aggregate has one row"
    return dict(row)
