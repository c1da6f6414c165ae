"""The table of mails. Each claim and each outcome is one statement, committed by itself, so that any number
of processes may deliver; an outcome that comes after its lease was taken over changes nothing, except that
an acceptance is always true."""

import json
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

import asyncpg

from services.notifier.domain.delivery import GivenUp, Outcome, Refused, RetryAt, Sent
from services.notifier.domain.mail import ClaimedMail, Mail, MailKind
from shared.ids import AccountId
from shared.postgres import Connection, Pool

LEASE = timedelta(minutes=2)
"""Longer than any dialogue (mailer_smtp.DIALOGUE_TIMEOUT_SECONDS): a mail still in `sending` after it was
left by a process that died."""


async def add_mail(
    connection: Connection, mail: Mail, *, recipient: str, request_id: str | None, now: datetime
) -> None:
    """In the caller's transaction; nothing when the mail is known."""
    await connection.execute(
        """
        INSERT INTO mails (event_id, account_id, recipient, kind, facts, sealed_secret, request_id,
                           next_attempt_at, requested_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8)
        ON CONFLICT (event_id) DO NOTHING
        """,
        mail.event_id,
        mail.account_id,
        recipient,
        mail.kind,
        json.dumps(dict(mail.facts)),
        mail.sealed_secret,
        request_id,
        now,
    )


class MailTable:
    """What is due, and what became of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim_due(self, now: datetime) -> ClaimedMail | None:
        """Keys and links first, then who waited longest; in state `sending` until its lease ends. None: none is due."""
        row = await self._pool.fetchrow(
            """
            WITH due AS (
                SELECT event_id, state FROM mails
                WHERE state IN ('pending', 'sending') AND next_attempt_at <= $1
                ORDER BY sealed_secret IS NULL, next_attempt_at LIMIT 1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE mails SET state = 'sending', attempts = mails.attempts + 1, next_attempt_at = $2,
                interruptions = interruptions + (due.state = 'sending')::integer
            FROM due WHERE mails.event_id = due.event_id
            RETURNING mails.event_id, account_id, recipient, kind, facts, sealed_secret, request_id,
                      attempts, attempts - attempts_before AS attempts_since, requested_at,
                      due.state = 'sending' AS was_interrupted
            """,
            now,
            now + LEASE,
        )
        return None if row is None else _claimed(row)

    async def record(self, claimed: ClaimedMail, outcome: Outcome, now: datetime) -> None:
        match outcome:
            case Sent():
                await self._record_sent(claimed.mail.event_id, now)
            case RetryAt(at, code):
                await self._record_unsent(claimed, "pending", code, at)
            case Refused(code):
                await self._record_unsent(claimed, "refused", code, now)
            case GivenUp(code):
                await self._record_unsent(claimed, "given_up", code, now)
            case _:
                assert_never(outcome)

    async def _record_sent(self, event_id: UUID, now: datetime) -> None:
        await self._pool.execute(
            """
            UPDATE mails SET state = 'sent', sealed_secret = NULL, last_code = NULL, sent_at = $2
            WHERE event_id = $1
            """,
            event_id,
            now,
        )

    async def _record_unsent(
        self, claimed: ClaimedMail, state: str, code: int | None, next_attempt_at: datetime
    ) -> None:
        await self._pool.execute(
            """
            UPDATE mails SET state = $3, last_code = $4, next_attempt_at = $5
            WHERE event_id = $1 AND attempts = $2 AND state = 'sending'
            """,
            claimed.mail.event_id,
            claimed.claim,
            state,
            code,
            next_attempt_at,
        )


def _claimed(row: asyncpg.Record) -> ClaimedMail:
    mail = Mail(
        event_id=row["event_id"],
        account_id=AccountId(row["account_id"]),
        kind=MailKind(row["kind"]),
        facts=json.loads(row["facts"]),
        sealed_secret=row["sealed_secret"],
    )
    return ClaimedMail(
        mail=mail,
        recipient=row["recipient"],
        request_id=row["request_id"],
        claim=row["attempts"],
        attempts=row["attempts_since"],
        requested_at=row["requested_at"],
        was_interrupted=row["was_interrupted"],
    )
