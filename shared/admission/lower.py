"""Lowering by hold: what is to be taken from a balance is held first, so that nobody spends it meanwhile.

The hold is under the lowering's own id; the ledger posts the lowering, and the mirror pass that carries the
lower balance ends the hold. Also how much room an account has, for what can wait until nobody is in the way.
"""

from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

from shared.admission.keys import AccountKeys
from shared.admission.lua import Call, run
from shared.admission.replies import Reply, UnreadableReply
from shared.ids import AccountId, RequestId


@dataclass(frozen=True, slots=True)
class Held:
    """Asked again, the same."""


@dataclass(frozen=True, slots=True)
class NotEnough:
    """Nothing is held. `available`: paid tokens that nobody is using."""

    available: int


@dataclass(frozen=True, slots=True)
class Ended:
    """This lowering was posted or given up before."""


@dataclass(frozen=True, slots=True)
class NotOpen:
    """Redis does not have the account, or not all that is spent from it: have it mirrored, come again."""


Lowered = Held | NotEnough | Ended | NotOpen


@dataclass(frozen=True, slots=True)
class Room:
    """Of an open account as of a version: paid tokens that nobody needs. Below zero while requests use what was
    since taken out of `posted`."""

    version: int
    unused: int


async def lower(redis: Redis, account_id: AccountId, lowering_id: UUID, tokens: int) -> Lowered:
    """Takes `tokens` of those that never end, all or nothing."""
    name = RequestId(str(lowering_id))
    call = Call("lower", AccountKeys(account_id).hold(name), [account_id, name, tokens])
    [reply] = await run(redis, call)
    return _lowered(reply)


async def read_room(redis: Redis, account_id: AccountId) -> Room | None:
    """None when the account is not open in Redis."""
    names = AccountKeys(account_id)
    [reply] = await run(redis, Call("room", [names.account, names.holds]))
    return None if reply is None else Room(*reply)


def _lowered(reply: Reply) -> Lowered:
    match list(reply):
        case [b"held"]:
            return Held()
        case [b"refused", int(available)]:
            return NotEnough(available)
        case [b"ended"]:
            return Ended()
        case [b"unknown"]:
            return NotOpen()
        case _:
            raise UnreadableReply(reply)
