"""The table of mails as the operator sees it: lists without text, secret or address, counts, and "resend"."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from services.notifier.domain.mail import SECRET_KINDS
from shared.contracts.internal.notifier import MAILS_PER_LIST_MAX, MailSeen
from shared.ids import AccountId
from shared.postgres import Pool

PRUNED_PER_STATEMENT_MAX = 1_000


async def list_of_account(pool: Pool, account_id: AccountId) -> list[MailSeen]:
    """Newest first."""
    rows = await pool.fetch(
        """
        SELECT event_id, account_id, kind, state, attempts, last_code, created_at, next_attempt_at, sent_at
        FROM mails WHERE account_id = $1 ORDER BY created_at DESC LIMIT $2
        """,
        account_id,
        MAILS_PER_LIST_MAX,
    )
    return [_seen(row) for row in rows]


async def list_ended_badly(pool: Pool) -> list[MailSeen]:
    """Refused or given up, newest first."""
    rows = await pool.fetch(
        """
        SELECT event_id, account_id, kind, state, attempts, last_code, created_at, next_attempt_at, sent_at
        FROM mails WHERE state IN ('refused', 'given_up') ORDER BY created_at DESC LIMIT $1
        """,
        MAILS_PER_LIST_MAX,
    )
    return [_seen(row) for row in rows]


async def ask_again(pool: Pool, event_id: UUID, now: datetime) -> bool:
    """From refused or given up back to pending, with a new day to try. False when there is nothing to send: it is
    in another state, its person is forgotten, or its secret erased."""
    asked = await pool.fetchval(
        """
        UPDATE mails SET state = 'pending', requested_at = $2, next_attempt_at = $2, attempts_before = attempts
        WHERE event_id = $1 AND state IN ('refused', 'given_up') AND recipient IS NOT NULL
            AND (sealed_secret IS NOT NULL OR kind <> ALL ($3))
        RETURNING event_id
        """,
        event_id,
        now,
        list(SECRET_KINDS),
    )
    return asked is not None


async def is_known(pool: Pool, event_id: UUID) -> bool:
    known: bool = await pool.fetchval("SELECT EXISTS (SELECT FROM mails WHERE event_id = $1)", event_id)
    return known


async def count_by_state(pool: Pool) -> dict[str, int]:
    rows = await pool.fetch(
        """
        SELECT state, count(*) AS mails FROM mails
        WHERE state IN ('pending', 'sending', 'refused', 'given_up') GROUP BY state
        """
    )
    return {row["state"]: row["mails"] for row in rows}


async def find_oldest_unsent(pool: Pool) -> datetime | None:
    """When the mail was asked for that is owed for the longest time."""
    asked_at: datetime | None = await pool.fetchval(
        "SELECT min(requested_at) FROM mails WHERE state IN ('pending', 'sending')"
    )
    return asked_at


async def prune(pool: Pool, now: datetime, *, keep: timedelta) -> int:
    """Forgets mails that ended longer ago than that, a bounded number at once. Returns how many."""
    status: str = await pool.execute(
        """
        DELETE FROM mails WHERE event_id IN (
            SELECT event_id FROM mails
            WHERE state IN ('sent', 'refused', 'given_up') AND created_at < $1
            ORDER BY created_at LIMIT $2
        ) AND state IN ('sent', 'refused', 'given_up')
        """,
        now - keep,
        PRUNED_PER_STATEMENT_MAX,
    )
    return int(status.rsplit(" ", 1)[-1])


def _seen(row: asyncpg.Record) -> MailSeen:
    waits = row["state"] in ("pending", "sending")
    return MailSeen(
        mail_id=str(row["event_id"]),
        account_id=row["account_id"],
        kind=row["kind"],
        state="waiting" if row["state"] == "pending" else row["state"],
        attempts=row["attempts"],
        last_reply=None if row["last_code"] is None else str(row["last_code"]),
        created_at=row["created_at"],
        ended_at=None if waits else row["sent_at"] or row["next_attempt_at"],
    )
