"""Accounts, keys, requests and records as tests need them, and Redis as it really is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from shared.admission.decisions import Admitted, CallKind, Checkpoint, Decision, HoldRequest, PromptCount
from shared.admission.holds import Hold, hold_of
from shared.admission.key_records import KeyRecord, KeyState, put_key
from shared.admission.keys import AccountKeys
from shared.admission.mirror import Snapshot, begin_pass
from shared.contracts.gateway import Outcome, UsageRecord
from shared.ids import AccountId, KeyDigest, KeyId, RequestId, new_request_id
from tests.support.admission import open_in_redis

ACCOUNT = AccountId("aB3dE5gH")
KEY = KeyId("0197b1c2-0000-7000-8000-000000000001")
DIGEST = KeyDigest("a1" * 32)
NAMES = AccountKeys(ACCOUNT)
FAR_FUTURE_MS = 4_000_000_000_000
LONG_AGO_MS = 1
ADMITTED_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


async def open_account(
    redis: Redis,
    *,
    posted: int = 1000,
    grants: tuple[tuple[str, int, int], ...] = (),
    limit_per_minute: int = 60,
    limit_concurrent: int = 16,
) -> None:
    await put_key(redis, key_record(limit_per_minute=limit_per_minute, limit_concurrent=limit_concurrent))
    await open_in_redis(redis, ACCOUNT, Snapshot(1, posted, grants))


def key_record(
    *,
    state: KeyState = KeyState.ACTIVE,
    version: int = 1,
    limit_per_minute: int = 60,
    limit_concurrent: int = 16,
    expires_at: datetime | None = None,
) -> KeyRecord:
    return KeyRecord(DIGEST, ACCOUNT, KEY, state, version, limit_per_minute, limit_concurrent, expires_at)


def request_for(
    prompt: int = 10,
    completion: int = 20,
    *,
    kind: CallKind = CallKind.STREAM,
    prompt_count: PromptCount = PromptCount.EXACT,
    request_id: RequestId | None = None,
) -> HoldRequest:
    return HoldRequest(
        request_id=request_id or new_request_id(),
        digest=DIGEST,
        account_id=ACCOUNT,
        endpoint="/v1/chat/completions",
        model="a|b c.gguf",
        kind=kind,
        tokens_prompt=prompt,
        prompt_count=prompt_count,
        tokens_completion=completion,
    )


def checkpoint_for(
    request_id: RequestId,
    prompt: int,
    completion: int,
    *,
    tokens_held: int = 30,
    kind: CallKind = CallKind.STREAM,
    account_id: AccountId = ACCOUNT,
) -> Checkpoint:
    return Checkpoint(
        account_id=account_id,
        request_id=request_id,
        digest=DIGEST,
        key_id=KEY,
        kind=kind,
        endpoint="/v1/chat/completions",
        model="a|b c.gguf",
        tokens_held=tokens_held,
        admitted_at=ADMITTED_AT,
        tokens_prompt=prompt,
        tokens_completion=completion,
    )


def record_for(request_id: RequestId, prompt: int, completion: int, *, revision: int = 2) -> UsageRecord:
    return UsageRecord.model_validate(
        {
            "request_id": request_id,
            "account_id": ACCOUNT,
            "key_id": KEY,
            "endpoint": "/v1/chat/completions",
            "model": "a|b c.gguf",
            "tokens_prompt": prompt,
            "tokens_completion": completion,
            "outcome": Outcome.COMPLETED,
            "estimated": False,
            "revision": revision,
            "admitted_at": ADMITTED_AT,
            "ended_at": ADMITTED_AT + timedelta(seconds=1),
        }
    )


async def open_ids(redis: Redis) -> frozenset[RequestId]:
    return (await begin_pass(redis, ACCOUNT)).request_ids


def held_by(decision: Decision) -> int:
    assert isinstance(decision, Admitted), decision
    return decision.tokens_held


@dataclass(frozen=True)
class Stored:
    """What Redis keeps of the account: the counters, and what they count."""

    account: dict[str, str]
    holds: dict[str, Hold]
    journal: dict[str, tuple[int, int]]
    leases: set[str]
    published: int

    @property
    def held(self) -> int:
        return int(self.account["held"])

    @property
    def journalled(self) -> int:
        return int(self.account["journalled"])

    @property
    def running(self) -> int:
        return int(self.account.get(f"running:{KEY}", 0))

    def assert_counters_are_sums(self) -> None:
        assert self.held == sum(hold.tokens for hold in self.holds.values())
        assert self.journalled == sum(tokens for _, tokens in self.journal.values())
        assert self.running == sum(hold.key_id == KEY for hold in self.holds.values())
        assert self.leases == {f"{ACCOUNT}/{request_id}" for request_id in self.holds}


async def stored_in(redis: Redis) -> Stored:
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.hgetall(NAMES.account)
        pipeline.hgetall(NAMES.holds)
        pipeline.hgetall(NAMES.journal)
        pipeline.zrange(NAMES.leases, 0, -1)
        pipeline.xlen(NAMES.settled)
        account, holds, journal, leases, published = await pipeline.execute()
    return Stored(
        account={name.decode(): value.decode() for name, value in account.items()},
        holds={request_id.decode(): hold_of(packed) for request_id, packed in holds.items()},
        journal={request_id.decode(): _entry(value) for request_id, value in journal.items()},
        leases={member.decode() for member in leases},
        published=published,
    )


def _entry(value: bytes) -> tuple[int, int]:
    revision, tokens = value.split(b":")
    return int(revision), int(tokens)
