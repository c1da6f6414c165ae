"""Accounts in Redis, as metering would bring them there."""

from redis.asyncio import Redis

from shared.admission.keys import AccountKeys
from shared.admission.mirror import Absent, IsOpen, OpenNew, Snapshot, begin_pass, write_mirror
from shared.ids import AccountId


async def open_in_redis(redis: Redis, account_id: AccountId, snapshot: Snapshot) -> None:
    """Whatever Redis knew of the account before, it is open afterwards."""
    begun = await begin_pass(redis, account_id)
    if not isinstance(begun.account, Absent):
        await redis.hdel(AccountKeys(account_id).account, "state")
        begun = await begin_pass(redis, account_id)
    assert isinstance(begun.account, Absent)
    written = await write_mirror(redis, account_id, snapshot, {}, opening=OpenNew(begun.account))
    assert written == IsOpen()
