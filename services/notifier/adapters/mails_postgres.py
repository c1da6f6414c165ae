"""The table of mails. Each claim and each outcome is one statement, committed by itself, so that any number
of processes may deliver; an outcome that comes after its lease was taken over changes nothing, except that
an acceptance is always true."""

from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

import asyncpg

from services.notifier.domain.delivery import GivenUp, Outcome, Refused, RetryAt, Sent
from services.notifier.domain.mail import ClaimedMail, KeyMail, MailKind
from shared.ids import AccountId
from shared.postgres import Connection, Pool

LEASE = timedelta(minutes=2)
"""Longer than any dialogue (mailer_smtp.DIALOGUE_TIMEOUT_SECONDS): a mail still in `sending` after it was
left by a process that died."""


async def add_key_mail(
    connection: Connection, mail: KeyMail, *, request_id: str | None, now: datetime
) -> None:
    """In the caller's transaction; nothing for an account that is forgotten, or when the mail is known."""
    await _take_turn(connection, mail.account_id)
    await connection.execute(
        """
        INSERT INTO mails (event_id, account_id, recipient, kind, sealed_key, key_display, request_id,
                           next_attempt_at, created_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $8
        WHERE NOT EXISTS (SELECT FROM forgotten_accounts WHERE account_id = $2)
        ON CONFLICT (event_id) DO NOTHING
        """,
        mail.event_id,
        mail.account_id,
        mail.recipient,
        mail.kind,
        mail.sealed_key,
        mail.key_display,
        request_id,
        now,
    )


async def forget_account(connection: Connection, account_id: AccountId) -> None:
    """In the caller's transaction: drop what is owed, erase address and key from what is done."""
    await _take_turn(connection, account_id)
    await connection.execute(
        "INSERT INTO forgotten_accounts (account_id) VALUES ($1) ON CONFLICT DO NOTHING", account_id
    )
    await connection.execute(
        "DELETE FROM mails WHERE account_id = $1 AND state IN ('pending', 'sending')", account_id
    )
    await connection.execute(
        "UPDATE mails SET recipient = NULL, sealed_key = NULL WHERE account_id = $1", account_id
    )


class MailTable:
    """What is due, and what became of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim_due(self, now: datetime) -> ClaimedMail | None:
        """The mail that waited longest, now in state `sending` until its lease ends; None when none is due."""
        row = await self._pool.fetchrow(
            """
            WITH due AS (
                SELECT event_id, state FROM mails
                WHERE state IN ('pending', 'sending') AND next_attempt_at <= $1
                ORDER BY next_attempt_at LIMIT 1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE mails SET state = 'sending', attempts = mails.attempts + 1, next_attempt_at = $2
            FROM due WHERE mails.event_id = due.event_id
            RETURNING mails.event_id, account_id, recipient, kind, sealed_key, key_display, request_id,
                      attempts, created_at, due.state = 'sending' AS was_interrupted
            """,
            now,
            now + LEASE,
        )
        return None if row is None else _claimed(row)

    async def record(self, claimed: ClaimedMail, outcome: Outcome, now: datetime) -> None:
        event_id, attempts = claimed.mail.event_id, claimed.attempts
        match outcome:
            case Sent():
                await self._record_sent(event_id, now)
            case RetryAt(at, code):
                await self._record_unsent(event_id, attempts, "pending", code, at)
            case Refused(code):
                await self._record_unsent(event_id, attempts, "refused", code, now)
            case GivenUp(code):
                await self._record_unsent(event_id, attempts, "given_up", code, now)
            case _:
                assert_never(outcome)

    async def _record_sent(self, event_id: UUID, now: datetime) -> None:
        await self._pool.execute(
            "UPDATE mails SET state = 'sent', sealed_key = NULL, sent_at = $2 WHERE event_id = $1",
            event_id,
            now,
        )

    async def _record_unsent(
        self, event_id: UUID, attempts: int, state: str, code: int | None, next_attempt_at: datetime
    ) -> None:
        await self._pool.execute(
            """
            UPDATE mails SET state = $3, last_code = $4, next_attempt_at = $5
            WHERE event_id = $1 AND attempts = $2 AND state = 'sending'
            """,
            event_id,
            attempts,
            state,
            code,
            next_attempt_at,
        )


async def _take_turn(connection: Connection, account_id: AccountId) -> None:
    """Until the transaction ends, one event of an account at a time: asking for a mail and forgetting the
    account must see each other."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('mails'), hashtext($1))", account_id)


def _claimed(row: asyncpg.Record) -> ClaimedMail:
    mail = KeyMail(
        event_id=row["event_id"],
        account_id=AccountId(row["account_id"]),
        recipient=row["recipient"],
        kind=MailKind(row["kind"]),
        sealed_key=row["sealed_key"],
        key_display=row["key_display"],
    )
    return ClaimedMail(mail, row["request_id"], row["attempts"], row["created_at"], row["was_interrupted"])
