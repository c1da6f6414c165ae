"""What the outbox still has of an account: the events of the last day, without their bodies."""

from services.accounts.domain.user_page import EventSeen
from shared.ids import AccountId
from shared.postgres import Pool


async def list_events(pool: Pool, account_id: AccountId, *, limit: int) -> list[EventSeen]:
    """Newest first."""
    rows = await pool.fetch(
        "SELECT type, created_at, published_at FROM outbox WHERE subject = $1 ORDER BY id DESC LIMIT $2",
        account_id,
        limit,
    )
    return [EventSeen(**row) for row in rows]
