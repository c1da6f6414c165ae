"""When is it quiet? When nothing is on its way any more: no hold, no settlement, no event, no message, no mail."""

import asyncio
from collections.abc import Mapping, Sequence

import aio_pika
import asyncpg
import httpx
from aio_pika.exceptions import AMQPError
from redis.exceptions import RedisError

from deploy.local.fakes.delivery import RETRY_SECONDS, Delivery
from shared.admission.keys import leases_of
from shared.admission.shards import SHARDS
from shared.admission.stream import SettlementStream
from shared.bus.topology import TOPOLOGY
from shared.redis_client import open_redis
from tests.chaos.checker.ledger_rows import count_waiting
from tests.chaos.history import now
from tests.chaos.load.asking import Account
from tests.chaos.specs import GATEWAYS
from tests.chaos.system import Chaos

POLL_SECONDS = 0.5
QUIET_WITHIN_SECONDS = 240.0
"""Far beyond what any recovery takes (a sweep is 30 s after the last word of a gateway, and of Redis; the second
try of a mail 150 s): a verdict must not depend on how busy the machine is."""
NO_ANSWER = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, AMQPError, RedisError)


async def until_quiet(chaos: Chaos, accounts: Sequence[Account]) -> float:
    """Seconds until then; what is left afterwards is for the checker to tell."""
    began = now()
    while now() - began < QUIET_WITHIN_SECONDS:
        if await _is_quiet(chaos, accounts):
            break
        await asyncio.sleep(POLL_SECONDS)
    return now() - began


async def _is_quiet(chaos: Chaos, accounts: Sequence[Account]) -> bool:
    try:
        return await _all_answer(chaos, accounts) and not _on_their_way(await find_waiting(chaos))
    except NO_ANSWER:
        return False


def _on_their_way(waiting: Mapping[str, int]) -> int:
    """What is parked stays; that it may not be there is for the checker to say."""
    return sum(count for name, count in waiting.items() if not name.endswith(".parked"))


async def find_waiting(chaos: Chaos) -> dict[str, int]:
    """Everything that should come to nothing, by name."""
    connection = await asyncpg.connect(chaos.backing.postgres, timeout=10)
    try:
        in_tables = await count_waiting(connection)
    finally:
        await connection.close()
    return {
        **in_tables,
        **await _in_redis(chaos),
        **await count_messages(chaos),
        "answers of the upstream": chaos.upstream_log.running(),
        "events of the providers": sum(is_on_its_way(each) for each in chaos.fakes.engine.deliveries),
    }


def is_on_its_way(delivery: Delivery) -> bool:
    """Providers give up after so many tries; the rest is for reconciliation."""
    return not delivery.is_taken and len(delivery.statuses) <= len(RETRY_SECONDS)


async def count_messages(chaos: Chaos) -> dict[str, int]:
    """Ready ones, by queue."""
    names = [queue.name for service in TOPOLOGY.bindings for queue in TOPOLOGY.queues(service)]
    return {name: messages for name, (messages, _) in (await _look(chaos, names)).items()}


async def count_consumers(chaos: Chaos) -> dict[str, int]:
    """Of each work queue."""
    names = [TOPOLOGY.work_queue(service) for service in TOPOLOGY.bindings]
    return {name: consumers for name, (_, consumers) in (await _look(chaos, names)).items()}


async def _look(chaos: Chaos, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    connection = await aio_pika.connect(chaos.backing.amqp, timeout=10)
    try:
        channel = await connection.channel()
        found = [(await channel.declare_queue(name, passive=True)).declaration_result for name in names]
        return {
            name: (each.message_count or 0, each.consumer_count or 0)
            for name, each in zip(names, found, strict=True)
        }
    finally:
        await connection.close()


async def _in_redis(chaos: Chaos) -> dict[str, int]:
    redis = open_redis(chaos.backing.redis)
    try:
        leases = sum([await redis.zcard(leases_of(shard)) for shard in range(SHARDS)])
        return {"leases": leases, "settlements": await SettlementStream(redis).unconfirmed_count()}
    finally:
        await redis.aclose()


async def _all_answer(chaos: Chaos, accounts: Sequence[Account]) -> bool:
    """Each gateway serves each account: also what opens one that Redis had lost."""
    async with httpx.AsyncClient(timeout=20) as client:
        for account in accounts:
            headers = {"authorization": f"Bearer {account.key}"}
            for gateway in GATEWAYS:
                try:
                    reply = await client.get(f"{chaos.url(gateway)}/v1/balance", headers=headers)
                except httpx.HTTPError:
                    return False
                if reply.status_code != 200 or reply.json()["held"]:
                    return False
    return True
