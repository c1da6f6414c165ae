"""Questions about orders to a human, and the answers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.billing.domain.orders import OrderId
from services.billing.domain.reviews import Decision, OpenReview, Question, Reason
from shared.ids import new_uuid7
from shared.postgres import Connection, Pool

OVERTAKEN = "overtaken"
"""Stored in place of a decision once the provider no longer gives reason to ask; asked again if it does again."""


async def list_verdicts(connection: Connection | Pool, order_id: OrderId) -> dict[Question, Decision]:
    rows = await connection.fetch(
        """
        SELECT reason, evidence, decision FROM reviews
        WHERE order_id = $1 AND decision IS NOT NULL AND decision <> $2
        """,
        order_id,
        OVERTAKEN,
    )
    return {Question(Reason(row["reason"]), row["evidence"]): Decision(row["decision"]) for row in rows}


async def ask(connection: Connection, order_id: OrderId, question: Question, *, now: datetime) -> None:
    await connection.execute(
        """
        INSERT INTO reviews (review_id, order_id, reason, evidence, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT ON CONSTRAINT reviews_ask_once
        DO UPDATE SET decision = NULL, decided_by = NULL, decided_at = NULL WHERE reviews.decision = $6
        """,
        new_uuid7(),
        order_id,
        question.reason,
        question.evidence,
        now,
        OVERTAKEN,
    )


async def close_overtaken(
    connection: Connection, order_id: OrderId, asked: Sequence[Question], *, now: datetime
) -> None:
    """Those that the provider gave reason for and now does not. The ledger's are closed by the ledger's check."""
    await connection.execute(
        """
        UPDATE reviews SET decision = $2, decided_by = 'the provider', decided_at = $3
        WHERE order_id = $1 AND decided_at IS NULL AND reason <> $4
          AND (reason, evidence) NOT IN (SELECT * FROM unnest($5::text[], $6::text[]))
        """,
        order_id,
        OVERTAKEN,
        now,
        Reason.LEDGER_DIFFERS,
        [each.reason for each in asked],
        [each.evidence for each in asked],
    )


async def close_ledger_question(connection: Connection | Pool, order_id: OrderId, *, now: datetime) -> None:
    await connection.execute(
        """
        UPDATE reviews SET decision = $2, decided_by = 'the ledger', decided_at = $3
        WHERE order_id = $1 AND decided_at IS NULL AND reason = $4
        """,
        order_id,
        OVERTAKEN,
        now,
        Reason.LEDGER_DIFFERS,
    )


async def list_open_reviews(pool: Pool, *, limit: int) -> list[OpenReview]:
    """The oldest first."""
    rows = await pool.fetch(
        """
        SELECT review_id, order_id, reason, evidence, created_at FROM reviews
        WHERE decided_at IS NULL ORDER BY created_at LIMIT $1
        """,
        limit,
    )
    return [
        _open(row["review_id"], row["order_id"], row["reason"], row["evidence"], row["created_at"])
        for row in rows
    ]


async def find_review(pool: Pool, review_id: UUID) -> tuple[OpenReview, str | None] | None:
    """With the decision it has got, if any."""
    row = await pool.fetchrow(
        "SELECT review_id, order_id, reason, evidence, created_at, decision FROM reviews WHERE review_id = $1",
        review_id,
    )
    if row is None:
        return None
    review = _open(row["review_id"], row["order_id"], row["reason"], row["evidence"], row["created_at"])
    return review, row["decision"]


async def record_decision(
    connection: Connection, review_id: UUID, decision: Decision, *, decided_by: str, now: datetime
) -> bool:
    """False when it was decided before. The order's version moves, so that a decision is never overlooked; the order
    first, as whoever books locks them, or the two would wait for each other."""
    order_id = await connection.fetchval(
        """
        UPDATE orders SET version = version + 1
        WHERE order_id = (SELECT order_id FROM reviews WHERE review_id = $1 AND decided_at IS NULL)
        RETURNING order_id
        """,
        review_id,
    )
    if order_id is None:
        return False
    decided = await connection.fetchval(
        """
        UPDATE reviews SET decision = $2, decided_by = $3, decided_at = $4
        WHERE review_id = $1 AND decided_at IS NULL
        RETURNING review_id
        """,
        review_id,
        decision,
        decided_by,
        now,
    )
    return decided is not None


def _open(review_id: UUID, order_id: OrderId, reason: str, evidence: str, created_at: datetime) -> OpenReview:
    return OpenReview(review_id, order_id, Question(Reason(reason), evidence), created_at)
