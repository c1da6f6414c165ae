"""The outbox: an event is a row in the transaction of its fact, and a relay publishes it afterwards.

    outbox (id, type, subject, body, created_at, published_at), unqualified: the role's search_path

A row is marked only when RabbitMQ has confirmed its message; a crash between the two publishes it again, and
the consumer's inbox absorbs that. There is no cursor that could run past a row that commits late: a row is
marked or it is not. Published rows are kept for PUBLISHED_KEPT and then deleted by the same loop, which is
why the runtime role has DELETE on this table.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from prometheus_client.metrics_core import Metric

from shared import faults
from shared.bus.backoff import Backoff
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.envelope import Envelope, Event, wrap
from shared.errors import Unavailable
from shared.http.metrics import gauge
from shared.ids import first_uuid7_at
from shared.postgres import POSTGRES_ERRORS, Connection, Pool

BATCH_ROWS_MAX = 100
POLL_SECONDS = 0.25
"""How long an event waits at most when nobody kicked the relay."""
PAUSE_FIRST_SECONDS = 0.5
PAUSE_MAX_SECONDS = 5.0
ACQUIRE_TIMEOUT_SECONDS = 5.0
PUBLISHED_KEPT = timedelta(hours=24)
PRUNE_EVERY = timedelta(minutes=1)
PRUNE_ROWS_MAX = 1000

log = structlog.get_logger()


class NotAllPublished(Unavailable):
    """Some rows of a batch were not confirmed; they stay and are published again."""

    code = "not_all_published"


async def add(
    connection: Connection,
    event: Event,
    *,
    source: str,
    subject: str | None,
    now: datetime,
    request_id: str | None = None,
) -> UUID:
    """Write the event in the caller's transaction and return its id. Kick the relay after the commit."""
    envelope = wrap(event, source=source, subject=subject, now=now, request_id=request_id)
    await connection.execute(
        "INSERT INTO outbox (id, type, subject, body, created_at) VALUES ($1, $2, $3, $4, $5)",
        envelope.id,
        envelope.type,
        envelope.subject,
        envelope.to_json().decode(),
        now,
    )
    return envelope.id


async def publish_again(database_url: str) -> int:
    """For a broker that lost what it had confirmed: everything that is kept goes out once more, by whichever relay
    runs, and inboxes absorb what had arrived. Returns how many."""
    connection = await asyncpg.connect(database_url)
    try:
        status = await connection.execute(
            "UPDATE outbox SET published_at = NULL WHERE published_at IS NOT NULL"
        )
    finally:
        await connection.close()
    return int(status.removeprefix("UPDATE "))


class OutboxRelay:
    """Publishes what is unpublished, in the order of the ids. Of a service's replicas the one that holds the
    advisory lock relays a batch; the others come again at the next poll."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._publisher = publisher
        self._kicked = asyncio.Event()
        self._backoff = Backoff(first_seconds=PAUSE_FIRST_SECONDS, max_seconds=PAUSE_MAX_SECONDS)
        self._prune_at = utc_now()

    def kick(self) -> None:
        """Something was committed: look now instead of at the next poll. Does not cut a pause short."""
        self._kicked.set()

    async def run(self) -> None:
        """For ever, through outages of PostgreSQL and RabbitMQ."""
        while True:
            try:
                await self._prune_when_due(utc_now())
                await self._relay_until_empty()
            except (NotAllPublished, *POSTGRES_ERRORS) as error:
                log.warning("outbox_relay_paused", reason=type(error).__name__)
                await self._backoff.wait()
            else:
                self._backoff.reset()
                await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._kicked.wait()
        self._kicked.clear()

    async def _relay_until_empty(self) -> None:
        while await self._relay_batch() == BATCH_ROWS_MAX:
            pass

    async def _relay_batch(self) -> int:
        """Returns how many rows went out. The lock ends with the transaction, also when the relay dies."""
        async with (
            self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection,
            connection.transaction(),
        ):
            if not await _try_lock(connection):
                return 0
            rows = await connection.fetch(
                "SELECT body FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1", BATCH_ROWS_MAX
            )
            confirmed = await self._publisher.publish([Envelope.from_json(row["body"]) for row in rows])
            faults.reached("published")
            await connection.execute(
                "UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY($1)", confirmed
            )
        if len(confirmed) < len(rows):
            raise NotAllPublished(f"{len(rows) - len(confirmed)} events wait in the outbox.")
        return len(rows)

    async def _prune_when_due(self, now: datetime) -> None:
        if now < self._prune_at:
            return
        self._prune_at = now + PRUNE_EVERY
        await self._pool.execute(
            """
            DELETE FROM outbox WHERE id IN (
                SELECT id FROM outbox WHERE id < $1 AND published_at IS NOT NULL ORDER BY id LIMIT $2
            )
            """,
            first_uuid7_at(now - PUBLISHED_KEPT),
            PRUNE_ROWS_MAX,
        )


async def read_outbox(pool: Pool) -> Iterable[Metric]:
    """What waits to be published, for the metrics."""
    row = await pool.fetchrow(
        "SELECT count(*) AS events, min(created_at) AS oldest_at FROM outbox WHERE published_at IS NULL"
    )
    assert row is not None, "an aggregate has one row"
    age_seconds = max((utc_now() - row["oldest_at"]).total_seconds(), 0.0) if row["oldest_at"] else 0.0
    return [
        gauge("promptly_outbox_events", "Events that RabbitMQ has not confirmed yet.", row["events"]),
        gauge("promptly_outbox_oldest_seconds", "How long the oldest of them has waited.", age_seconds),
    ]


async def _try_lock(connection: Connection) -> bool:
    """One lock per schema: advisory locks are shared by the whole database."""
    locked: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtext('outbox'), hashtext(current_schema()))"
    )
    return locked
