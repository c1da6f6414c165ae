"""What is free in Redis while a seed runs: the least of it per account, and who was let in where nothing was left.

A dispute or a refund takes what was given away at once, under requests that run on it: less than nothing may then be
free. Nobody else may be let in until there is something again, and nothing else may bring an account there."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from shared.admission.inspected import Inspected
from shared.admission.inspection import inspect
from shared.errors import PromptlyError
from shared.ids import AccountId
from shared.redis_client import open_redis
from tests.chaos.system import Chaos

SAMPLE_SECONDS = 0.05


@dataclass(slots=True)
class Watched:
    """`lowest`: per account the least that was ever free. `uncovered`: what was let in without cover."""

    lowest: dict[str, int] = field(default_factory=dict)
    uncovered: list[str] = field(default_factory=list)
    _before: dict[str, Inspected] = field(default_factory=dict)

    def see(self, seen: Mapping[AccountId, Inspected]) -> None:
        """Of accounts that admit: one that is closed counts what is posted and journalled twice until it opens."""
        for account_id, now in seen.items():
            before = self._before.pop(account_id, None)
            if now.state != "open":
                continue
            self._before[account_id] = now
            self.lowest[account_id] = min(self.lowest.get(account_id, free_of(now)), free_of(now))
            if before is not None:
                self.uncovered += [f"{account_id}: {each}" for each in let_in_without_cover(before, now)]


def let_in_without_cover(before: Inspected, now: Inspected) -> Iterator[str]:
    """Between two looks at one account, by Redis's clock. Where more is given than before, who came had cover."""
    if free_of(now) >= 0 or given_to(now) > given_to(before):
        return
    if free_of(before) < 0:
        for request_id, hold in now.holds.items():
            if hold.admitted_at_ms > before.at_ms:
                yield f"{request_id} was let in where {free_of(before)} were free"
    elif given_to(now) == given_to(before):
        yield f"{free_of(now)} were free in Redis, and nothing was taken away"


def free_of(seen: Inspected) -> int:
    return given_to(seen) - seen.held - seen.journalled


def given_to(seen: Inspected) -> int:
    return seen.posted + sum(grant.tokens for grant in seen.grants.values())


@asynccontextmanager
async def watched(chaos: Chaos, accounts: Sequence[str]) -> AsyncIterator[Watched]:
    found = Watched()
    watching = asyncio.create_task(_watch(chaos, accounts, found))
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def _watch(chaos: Chaos, accounts: Sequence[str], found: Watched) -> None:
    redis = open_redis(chaos.backing.redis)
    ids = [AccountId(account) for account in accounts]
    try:
        while True:
            with suppress(RedisError, PromptlyError, OSError):  # it may be dead
                found.see(await inspect(redis, ids))
            await asyncio.sleep(SAMPLE_SECONDS)
    finally:
        await redis.aclose()
