"""Carries the ledger's balance into Redis, and opens accounts.

A pass begins here (state and open ids), *then* reads the ledger's balance, version and which of those ids it
has posted in one snapshot, *then* writes: an id leaves the journal in the same instant in which `posted`
contains it. What Redis has lost comes back closed, and opens by a pass that began after the wait and whose
snapshot contains every batch of the drain.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.admission.desk import REMEMBER_MS
from shared.admission.keys import AccountKeys
from shared.admission.lua import Call, run, run_each
from shared.ids import AccountId, RequestId, find_request_id

WAIT_BEFORE_OPENING_MS = 1_500
"""Several checkpoint intervals: by then every gateway has brought back what Redis lost."""

Sequences = Mapping[str, int]
"""Gateway -> number of a batch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`posted`: tokens that never expire, negative for a debt. `grants`: what remains in those that do,
    each as (id, tokens, expires_at_ms)."""

    version: int
    posted: int
    grants: Sequence[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Absent:
    """Redis does not have the account, or only from another life. `at_ms` by its clock."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Closed:
    """`opens_at_ms` names this closing; `drain` is what the ledger must have posted, once that is settled."""

    opens_at_ms: int
    opens_in_ms: int
    drain: Sequences | None


@dataclass(frozen=True, slots=True)
class Open:
    pass


@dataclass(frozen=True, slots=True)
class Pass:
    """A mirror pass that has begun. `request_ids`: held or journalled, so the ledger may have them. What is no
    request's name stays in Redis, for the audit to tell: it is no reason to mirror nobody."""

    account: Absent | Closed | Open
    request_ids: frozenset[RequestId]


@dataclass(frozen=True, slots=True)
class OpenNew:
    """The ledger says that Redis never had this account, and nobody else has been told so."""

    absent: Absent


@dataclass(frozen=True, slots=True)
class KeepDraining:
    """The wait is over: the account opens when the ledger has posted these."""

    closed: Closed
    sequences: Sequences


@dataclass(frozen=True, slots=True)
class OpenDrained:
    """The snapshot contains every batch of the drain."""

    closed: Closed


Opening = OpenNew | KeepDraining | OpenDrained


@dataclass(frozen=True, slots=True)
class IsOpen:
    """Written; requests are admitted."""


@dataclass(frozen=True, slots=True)
class IsClosed:
    """Written; nobody is admitted. 0 ms: it opens as soon as the drain is posted."""

    opens_in_ms: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """Redis has a later version: nothing was written."""


Written = IsOpen | IsClosed | Dropped


@dataclass(frozen=True, slots=True)
class Write:
    """The end of a pass. Without an `opening`, an open account stays open, and any other is closed afterwards."""

    account_id: AccountId
    snapshot: Snapshot
    posted_revisions: Mapping[RequestId, int]
    opening: Opening | None = None


async def begin_passes(redis: Redis, account_ids: Sequence[AccountId]) -> dict[AccountId, Pass]:
    """In one round trip."""
    names = [AccountKeys(account_id) for account_id in account_ids]
    calls = [Call("begin_pass", [each.account, each.holds, each.journal]) for each in names]
    replies = await run(redis, *calls)
    return {account_id: _pass_of(reply) for account_id, reply in zip(account_ids, replies, strict=True)}


async def begin_pass(redis: Redis, account_id: AccountId) -> Pass:
    return (await begin_passes(redis, [account_id]))[account_id]


async def write_mirrors(redis: Redis, writes: Sequence[Write]) -> list[Written | ResponseError]:
    """In one round trip. What Redis refuses of one account keeps no other from being written."""
    replies = await run_each(redis, *map(_call_of, writes))
    return [reply if isinstance(reply, ResponseError) else _written(reply) for reply in replies]


async def write_mirror(
    redis: Redis,
    account_id: AccountId,
    snapshot: Snapshot,
    posted_revisions: Mapping[RequestId, int],
    *,
    opening: Opening | None = None,
) -> Written:
    [reply] = await run(redis, _call_of(Write(account_id, snapshot, posted_revisions, opening)))
    return _written(reply)


def _pass_of(reply: Sequence[Any]) -> Pass:
    state, now_ms, opens_at_ms, drain, held, journalled = reply
    request_ids = frozenset(filter(None, map(find_request_id, (*held, *journalled))))
    if state == b"open":
        return Pass(Open(), request_ids)
    if state == b"absent":
        return Pass(Absent(now_ms), request_ids)
    sequences = None if drain is None else json.loads(drain)
    return Pass(Closed(opens_at_ms, max(opens_at_ms - now_ms, 0), sequences), request_ids)


def _call_of(write: Write) -> Call:
    names, snapshot = AccountKeys(write.account_id), write.snapshot
    args: list[str | int | bytes] = [write.account_id, snapshot.version, snapshot.posted]
    args += [REMEMBER_MS, WAIT_BEFORE_OPENING_MS, *_args_of(write.opening), len(snapshot.grants)]
    for grant_id, tokens, expires_at_ms in snapshot.grants:
        args += [grant_id, tokens, expires_at_ms]
    for request_id, revision in write.posted_revisions.items():
        args += [request_id, revision]
    keys = [names.account, names.holds, names.leases, names.journal, *map(names.done, write.posted_revisions)]
    return Call("mirror", keys, args)


def _args_of(opening: Opening | None) -> tuple[str, int, str]:
    match opening:
        case None:
            return "", 0, ""
        case OpenNew(absent):
            return "first", absent.at_ms, ""
        case KeepDraining(closed, sequences):
            return "draining", closed.opens_at_ms, json.dumps(dict(sequences))
        case OpenDrained(closed):
            return "drained", closed.opens_at_ms, ""


def _written(reply: Sequence[bytes | int]) -> Written:
    match reply:
        case [b"open"]:
            return IsOpen()
        case [b"closed", int(opens_in_ms)]:
            return IsClosed(opens_in_ms)
        case _:
            return Dropped()
