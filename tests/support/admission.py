"""Accounts in Redis, as metering would bring them there."""

from redis.asyncio import Redis

from shared.admission.keys import AccountKeys
from shared.admission.mirror import Absent, IsOpen, OpenNew, Snapshot, begin_pass, write_mirror
from shared.ids import AccountId

PASSES_MAX = 5


async def open_in_redis(redis: Redis, account_id: AccountId, snapshot: Snapshot) -> None:
    """Whatever Redis knew of the account before, it is open afterwards. A pass that takes longer than the mirror's
    wait opens nothing (the machine is busy): then another is made."""
    for _ in range(PASSES_MAX):
        begun = await begin_pass(redis, account_id)
        if not isinstance(begun.account, Absent):
            await redis.hdel(AccountKeys(account_id).account, "state")
            begun = await begin_pass(redis, account_id)
        assert isinstance(begun.account, Absent)
        opening = OpenNew(begun.account)
        if (written := await write_mirror(redis, account_id, snapshot, {}, opening=opening)) == IsOpen():
            return
    raise AssertionError(f"{written} after {PASSES_MAX} passes")
