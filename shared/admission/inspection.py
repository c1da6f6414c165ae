"""Reads what Redis holds of accounts as it stands, for the audit: it changes nothing and decides nothing."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from shared.admission.holds import hold_of
from shared.admission.inspected import EndingGrant, Inspected, Journalled, State
from shared.admission.keys import AccountKeys
from shared.admission.lua import Call, run
from shared.ids import AccountId, RequestId, find_request_id


async def inspect(redis: Redis, account_ids: Collection[AccountId]) -> dict[AccountId, Inspected]:
    """Each account in one step, all in one round trip."""
    replies = await run(redis, *(_call(account_id) for account_id in account_ids)) if account_ids else []
    return {account_id: _read(reply) for account_id, reply in zip(account_ids, replies, strict=True)}


def _call(account_id: AccountId) -> Call:
    names = AccountKeys(account_id)
    return Call("inspect", [names.account, names.holds, names.journal, names.leases], [account_id])


def _read(reply: Sequence[Any]) -> Inspected:
    try:
        return _inspected(reply)
    except (ValueError, TypeError):
        return Inspected.unreadable()


def _inspected(reply: Sequence[Any]) -> Inspected:
    state, at_ms, record, holds, journal, unleased = reply
    fields = {name.decode(): value.decode() for name, value in _pairs(record)}
    return Inspected(
        state=cast("State", state.decode()),
        at_ms=at_ms,
        version=int(fields.get("version", 0)),
        posted=int(fields.get("posted", 0)),
        held=int(fields.get("held", 0)),
        journalled=int(fields.get("journalled", 0)),
        grants={
            name.removeprefix("grant:"): EndingGrant(*map(int, value.split(":")))
            for name, value in fields.items()
            if name.startswith("grant:")
        },
        running={
            name.removeprefix("running:"): int(value)
            for name, value in fields.items()
            if name.startswith("running:")
        },
        holds={_request_id(name): hold_of(packed) for name, packed in _pairs(holds)},
        journal={
            _request_id(name): Journalled(*map(int, value.split(b":"))) for name, value in _pairs(journal)
        },
        unleased=frozenset(RequestId(request_id.decode()) for request_id in unleased),
    )


def _request_id(name: bytes) -> RequestId:
    request_id = find_request_id(name)
    if request_id is None:
        raise ValueError(f"{len(name)} bytes that name no request")
    return request_id


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
