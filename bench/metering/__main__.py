"""`make bench-metering`: from queue to ledger in records per second, and from a request's end to its balance.

Everything is real and durable; the load runs on the same cores as what is measured.
"""

import asyncio
import os

from bench.metering.lag import Lag, measure_lag
from bench.metering.load import Gateway, open_accounts
from bench.metering.posting import Posting, list_usage, measure_copy, measure_posting
from bench.metering.system import System, make_schema, running_service, running_system
from shared.bus.connection import connect
from shared.bus.publisher import Publisher
from shared.postgres import Pool, open_pool
from shared.redis_client import open_redis

ACCOUNTS = 500
PROBES = 300
BACKLOGS = ((200_000, 500), (100_000, 50), (20_000, 5))
"""Records, and how many of them one message carries: after an outage 500; under load some dozens."""
ROWS_COPIED = 100_000
LOADS_PER_SECOND = (500, 2_000)


async def main(system: System) -> None:
    await make_schema(system)
    pool = await open_pool(system.database_url("metering"), service="bench")
    connection = await connect(system.amqp_url, "bench")
    try:
        await _measure(system, pool, Publisher(connection))
    finally:
        await connection.close()
        await pool.close()


async def _measure(system: System, pool: Pool, publisher: Publisher) -> None:
    accounts = await open_accounts(pool, ACCOUNTS)
    gateway = Gateway(publisher, "bench-1")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, {ACCOUNTS} accounts\n")
    print(
        "| records | per message | records/s | CPU µs/record: metering | the servers | metering's memory, MB |"
    )
    print("|---|---|---|---|---|---|")
    postings = []
    for records, per_message in BACKLOGS:
        posting = await measure_posting(
            system, pool, gateway, accounts, records=records, per_message=per_message
        )
        print(_line_of(posting), flush=True)
        postings.append(posting)
    copied = await measure_copy(system, await list_usage(pool, ROWS_COPIED))
    print(
        f"\nCOPY of {ROWS_COPIED:,} of the usage rows, the same columns and indexes: {copied:,.0f} rows/s, ",
        end="",
    )
    print(f"{copied / postings[0].per_second:.1f} times as many\n", flush=True)
    await _measure_lag(system, pool, publisher)


async def _measure_lag(system: System, pool: Pool, publisher: Publisher) -> None:
    busy, probing = Gateway(publisher, "bench-2"), Gateway(publisher, "bench-3")
    redis = open_redis(system.redis_url)
    accounts = await open_accounts(pool, ACCOUNTS)
    print("| load, records/s | balances seen | p50, ms | p99, ms | max, ms | metering's CPU |")
    print("|---|---|---|---|---|---|")
    with running_service(system) as service:
        for load in LOADS_PER_SECOND:
            probes = await open_accounts(pool, PROBES)
            lag = await measure_lag(service, redis, busy, probing, accounts, probes, records_per_second=load)
            print(_line_of_lag(lag), flush=True)
    await redis.aclose()
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def _line_of(posting: Posting) -> str:
    memory = " ".join(f"{each:.0f}" for each in posting.memory_mb)
    cpu_us = [
        f"{seconds / posting.records * 1e6:.0f}"
        for seconds in (posting.service_cpu_seconds, posting.servers_cpu_seconds)
    ]
    figures = (f"{posting.records:,}", str(posting.records_per_message), f"{posting.per_second:,.0f}")
    return f"| {' | '.join((*figures, *cpu_us, memory))} |"


def _line_of_lag(lag: Lag) -> str:
    figures = f"{lag.p50_ms:.0f} | {lag.p99_ms:.0f} | {lag.max_ms:.0f} | {lag.service_cpu:.0%}"
    return f"| {lag.records_per_second:,.0f} | {lag.probes} | {figures} |"


if __name__ == "__main__":
    with running_system() as running:
        asyncio.run(main(running))
