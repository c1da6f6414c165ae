"""Redis is emptied when all is quiet, and must become again what the ledger says: balances without holds or journal, keys
that work, and keys that have ended."""

from collections.abc import Iterator

import httpx

from shared.redis_client import open_redis
from tests.chaos.checker.collect import Seen, collect
from tests.chaos.checker.facts import Facts
from tests.chaos.checker.money import every_hold_has_ended, redis_says_what_the_ledger_says
from tests.chaos.load.crowd import Crowd
from tests.chaos.quiet import until_quiet
from tests.chaos.specs import GATEWAYS
from tests.chaos.system import Chaos

REFUSED = 401
LOOKS = 2
"""As at the verdict: a grant may end in that very moment."""


async def rebuild(chaos: Chaos, seen: Seen, crowd: Crowd) -> tuple[str, ...]:
    """What is not as it was. Each account's own key is answered meanwhile, or it is not quiet."""
    await empty_redis(chaos)
    differences: tuple[str, ...] = ()
    for _ in range(LOOKS):
        await until_quiet(chaos, crowd.accounts)
        differences = tuple(unlike_the_ledger(await collect(chaos, seen)))
        if not differences:
            break
    return (*differences, *await _revived(chaos, crowd.people.revoked))


async def empty_redis(chaos: Chaos) -> None:
    redis = open_redis(chaos.backing.redis)
    await redis.flushall()
    await redis.aclose()


def unlike_the_ledger(facts: Facts) -> Iterator[str]:
    for book in facts.books:
        if facts.in_redis[book.account_id].state == "absent":  # type: ignore[index]
            yield f"{book.account_id} did not come back"
    yield from redis_says_what_the_ledger_says(facts)
    yield from every_hold_has_ended(facts)


async def _revived(chaos: Chaos, revoked: list[str]) -> list[str]:
    found = []
    async with httpx.AsyncClient(timeout=60) as client:
        for key in revoked:
            for gateway in GATEWAYS:
                headers = {"authorization": f"Bearer {key}"}
                reply = await client.get(f"{chaos.url(gateway)}/v1/balance", headers=headers)
                if reply.status_code != REFUSED:
                    found.append(f"a revoked key is answered {reply.status_code} by {gateway}")
    return found
