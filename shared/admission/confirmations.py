"""Which settlements the ledger has, so that whoever settled them may forget them."""

from collections.abc import Collection, Mapping

from redis.asyncio import Redis

from shared.admission.keys import keys_of
from shared.admission.lua import Call, run
from shared.contracts.gateway import REVISION_SERVED
from shared.ids import AccountId, RequestId


async def confirmed_by_the_ledger(
    redis: Redis, settled: Mapping[AccountId, Collection[RequestId]]
) -> set[RequestId]:
    """Of the requests settled by the gateway that served them, those that are posted: this Redis has heard of
    the settlement, and the journal has it no longer. One round trip.

    What Redis does not know of (it was lost, or never told) is not confirmed: settle it again.
    """
    calls = [_call(account_id, list(request_ids)) for account_id, request_ids in settled.items()]
    if not calls:
        return set()
    replies = await run(redis, *calls)
    return {
        RequestId(str(call.args[1 + place]))
        for call, places in zip(calls, replies, strict=True)
        for place in places
    }


def _call(account_id: AccountId, request_ids: list[RequestId]) -> Call:
    names = keys_of(account_id)
    keys = [names.journal, *map(names.done, request_ids)]
    return Call("confirmed", keys, [REVISION_SERVED, *request_ids])
