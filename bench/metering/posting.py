"""How fast a backlog in the queue becomes a committed ledger, and what plain COPY makes of the same rows."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import asyncpg
import httpx

from bench.metering.load import Gateway, record_of
from bench.metering.system import Service, System, cpu_seconds_of, running_service
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId
from shared.postgres import Pool

POLL_SECONDS = 0.1
COUNTER = "promptly_metering_records_posted_total "


@dataclass(frozen=True, slots=True)
class Posting:
    """`memory_mb`: at the start, at the quarters, at the end."""

    records: int
    records_per_message: int
    seconds: float
    service_cpu_seconds: float
    servers_cpu_seconds: float
    memory_mb: tuple[float, ...]

    @property
    def per_second(self) -> float:
        return self.records / self.seconds


async def measure_posting(
    system: System,
    pool: Pool,
    gateway: Gateway,
    accounts: Sequence[AccountId],
    *,
    records: int,
    per_message: int,
) -> Posting:
    """The backlog is in the queue before the service starts; the clock runs from the first to the last record."""
    random = Random(records)  # noqa: S311
    usage = [record_of(random.choice(accounts), random) for _ in range(records)]
    await gateway.publish([usage[start : start + per_message] for start in range(0, records, per_message)])
    before = await _count(pool)
    with running_service(system) as service:
        posting = await _watch(system, service, records, per_message)
    assert await _count(pool) - before == records
    return posting


async def _watch(system: System, service: Service, records: int, per_message: int) -> Posting:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
        while (first := await _posted(client)) == 0:  # noqa: ASYNC110  # it is asked over HTTP
            await asyncio.sleep(POLL_SECONDS / 10)
        started = time.perf_counter()
        service_before, servers_before = service.cpu_seconds(), cpu_seconds_of(system.server_pids)
        memory = [service.memory_mb()]
        while (posted := await _posted(client)) < records:
            if posted >= records * len(memory) / 4:
                memory.append(service.memory_mb())
            await asyncio.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - started
        memory.append(service.memory_mb())
        return Posting(
            records - first,
            per_message,
            seconds,
            service.cpu_seconds() - service_before,
            cpu_seconds_of(system.server_pids) - servers_before,
            tuple(memory),
        )


async def measure_copy(system: System, usage: Sequence[UsageRecord]) -> float:
    """Rows per second into a table with the same columns, constraints and indexes, by one COPY."""
    connection = await asyncpg.connect(system.database_url("metering_owner"))
    try:
        await connection.execute("CREATE TABLE usage_copied (LIKE usage INCLUDING ALL)")
        rows = [_row_of(record) for record in usage]
        started = time.perf_counter()
        await connection.copy_records_to_table("usage_copied", records=rows)
        return len(rows) / (time.perf_counter() - started)
    finally:
        await connection.execute("DROP TABLE usage_copied")
        await connection.close()


async def list_usage(pool: Pool, limit: int) -> list[UsageRecord]:
    rows = await pool.fetch("SELECT * FROM usage ORDER BY request_id LIMIT $1", limit)
    return [UsageRecord.model_validate(dict(row)) for row in rows]


async def _count(pool: Pool) -> int:
    """Each record must also have lowered the balance: the entries say so."""
    usage: int = await pool.fetchval("SELECT count(*) FROM usage")
    charged: int = await pool.fetchval(
        "SELECT count(DISTINCT request_id) FROM entries WHERE kind = 'usage'", timeout=120
    )
    assert usage == charged
    return usage


async def _posted(client: httpx.AsyncClient) -> int:
    reply = await client.get("/metrics")
    [line] = [line for line in reply.text.splitlines() if line.startswith(COUNTER)]
    return round(float(line.removeprefix(COUNTER)))


def _row_of(record: UsageRecord) -> tuple[object, ...]:
    return (
        record.request_id,
        record.revision,
        record.account_id,
        record.key_id,
        record.endpoint,
        record.model,
        record.tokens_prompt,
        record.tokens_completion,
        record.tokens_cached,
        0,
        str(record.outcome),
        record.estimated,
        record.admitted_at,
        record.ended_at,
        record.ended_at,
    )
