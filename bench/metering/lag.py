"""How long after a request's end its account's balance in Redis is lower, while many others are used too."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from redis.asyncio import Redis

from bench.metering.load import TOKENS_GRANTED, Gateway, record_of
from bench.metering.system import Service
from shared.admission.desk import AdmissionDesk
from shared.ids import AccountId

TICK_SECONDS = 0.05
POLL_SECONDS = 0.005
WAIT_MAX_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Lag:
    """Of probes: accounts that are used once."""

    records_per_second: float
    probes: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    service_cpu: float


async def measure_lag(
    service: Service,
    redis: Redis,
    busy: Gateway,
    probing: Gateway,
    accounts: Sequence[AccountId],
    probes: Sequence[AccountId],
    *,
    records_per_second: int,
) -> Lag:
    desk, random = AdmissionDesk(redis), Random(7)  # noqa: S311
    await asyncio.gather(*(_mirrored(desk, account_id) for account_id in probes))
    published = 0

    async def load() -> None:
        nonlocal published
        due = time.perf_counter()
        while True:
            count = round(records_per_second * TICK_SECONDS)
            await busy.publish([[record_of(random.choice(accounts), random) for _ in range(count)]])
            published += count
            due += TICK_SECONDS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    task = asyncio.create_task(load())
    started, cpu_before = time.perf_counter(), service.cpu_seconds()
    lags: list[asyncio.Task[float]] = []
    for account_id in probes:
        await asyncio.sleep(TICK_SECONDS)
        lags.append(asyncio.create_task(_probe(desk, probing, account_id, random)))
    seconds_sorted = sorted(await asyncio.gather(*lags))
    elapsed = time.perf_counter() - started
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    p50_ms, p99_ms, max_ms = (_share_ms(seconds_sorted, share) for share in (0.5, 0.99, 1.0))
    return Lag(
        published / elapsed,
        len(seconds_sorted),
        p50_ms,
        p99_ms,
        max_ms,
        (service.cpu_seconds() - cpu_before) / elapsed,
    )


def _share_ms(seconds_sorted: Sequence[float], share: float) -> float:
    return 1000 * seconds_sorted[round(share * (len(seconds_sorted) - 1))]


async def _probe(desk: AdmissionDesk, gateway: Gateway, account_id: AccountId, random: Random) -> float:
    ended = time.perf_counter()
    await gateway.publish([[record_of(account_id, random)]])
    while await _available(desk, account_id) == TOKENS_GRANTED:  # noqa: ASYNC110  # Redis tells nobody
        await asyncio.sleep(POLL_SECONDS)
    return time.perf_counter() - ended


async def _mirrored(desk: AdmissionDesk, account_id: AccountId) -> None:
    async with asyncio.timeout(WAIT_MAX_SECONDS):
        while await _available(desk, account_id) is None:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS * 20)


async def _available(desk: AdmissionDesk, account_id: AccountId) -> int | None:
    view = await desk.balance(account_id)
    return None if view is None else view.available
