"""A gateway as metering meets it: admits, checkpoints and settles at the real desk, and publishes."""

from hashlib import sha256
from uuid import UUID

from redis.asyncio import Redis

from services.metering.tests.building import NOON, Books, record_for
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.admission.balances import BalanceView
from shared.admission.decisions import Admitted, CallKind, Checkpoint, Decision, HoldRequest, PromptCount
from shared.admission.desk import AdmissionDesk
from shared.admission.key_records import KeyRecord, KeyState, put_key
from shared.admission.keys import AccountKeys
from shared.admission.mirror import begin_pass
from shared.admission.stream import SettlementStream
from shared.contracts.gateway import REVISION_SERVED, UsageRecord
from shared.ids import AccountId, KeyDigest, KeyId, RequestId, new_request_id

KEY = KeyId("0197b1c2-0000-7000-8000-000000000001")
PROMPT = 10
MODEL = "gemma-3-270m-it-Q4_K_M.gguf"


class Gateway:
    def __init__(self, redis: Redis) -> None:
        self.desk = AdmissionDesk(redis)
        self._redis = redis
        self._stream = SettlementStream(redis)

    async def open_account(self, books: Books, *, trial: int = 1000, paid: int = 0) -> AccountId:
        """An account with a key, mirrored."""
        account_id = await books.open_account(trial=trial, paid=paid)
        await self.issue_key(account_id)
        await mirror_changed_accounts(books.pool, self._redis)
        return account_id

    async def issue_key(self, account_id: AccountId) -> None:
        record = KeyRecord(_digest_of(account_id), account_id, KEY, KeyState.ACTIVE, 1, 10_000, 10_000)
        await put_key(self._redis, record)

    async def decide(
        self, account_id: AccountId, tokens: int, *, kind: CallKind = CallKind.STREAM
    ) -> tuple[RequestId, Decision]:
        """Asks to hold `tokens`."""
        request_id = new_request_id()
        request = HoldRequest(
            request_id=request_id,
            digest=_digest_of(account_id),
            account_id=account_id,
            endpoint="/v1/chat/completions",
            model=MODEL,
            kind=kind,
            tokens_prompt=PROMPT,
            prompt_count=PromptCount.EXACT,
            tokens_completion=tokens - PROMPT,
        )
        return request_id, await self.desk.admit_again(request)

    async def admit(
        self, account_id: AccountId, tokens: int, *, kind: CallKind = CallKind.STREAM
    ) -> RequestId:
        request_id, decision = await self.decide(account_id, tokens, kind=kind)
        assert isinstance(decision, Admitted), decision
        return request_id

    async def checkpoint(self, account_id: AccountId, request_id: RequestId, tokens: int) -> None:
        await self.desk.checkpoint([checkpoint_for(account_id, request_id, tokens)])

    async def settle(
        self, account_id: AccountId, request_id: RequestId, tokens: int, *, revision: int = REVISION_SERVED
    ) -> UsageRecord:
        record = record_for(account_id, tokens, request_id=UUID(request_id), revision=revision)
        await self.desk.settle(account_id, record, tokens_held=tokens)
        return record

    async def publish(self) -> list[UsageRecord]:
        """What its relay would take to the bus now."""
        entries = await self._stream.read_batch("gateway-1")
        await self._stream.acknowledge(entry.id for entry in entries)
        return [entry.record for entry in entries]

    async def balance(self, account_id: AccountId) -> BalanceView:
        view = await self.desk.balance(account_id)
        assert view is not None
        return view

    async def shows(self, account_id: AccountId, available: int) -> bool:
        view = await self.desk.balance(account_id)
        return view is not None and view.available == available

    async def available(self, account_id: AccountId) -> int:
        return (await self.balance(account_id)).available

    async def open_ids(self, account_id: AccountId) -> frozenset[RequestId]:
        return (await begin_pass(self._redis, account_id)).request_ids


async def end_the_wait(redis: Redis, account_id: AccountId) -> None:
    """Time is the test's: the account has been closed for long enough."""
    await redis.hset(AccountKeys(account_id).account, "opens_at", 1)


async def fall_silent(redis: Redis, account_id: AccountId, request_id: RequestId, silent_ms: int) -> None:
    """Its last heartbeat was so long ago."""
    names = AccountKeys(account_id)
    packed = await redis.hget(names.holds, request_id)
    assert isinstance(packed, bytes)
    tokens, admitted_at, heartbeat_at, rest = packed.split(b"|", 3)
    at_ms = int(heartbeat_at) - silent_ms
    await redis.hset(names.holds, request_id, b"|".join([tokens, admitted_at, b"%d" % at_ms, rest]).decode())
    await redis.zadd(names.leases, {f"{account_id}/{request_id}": at_ms})


def checkpoint_for(account_id: AccountId, request_id: RequestId, tokens: int) -> Checkpoint:
    return Checkpoint(
        account_id=account_id,
        request_id=request_id,
        digest=_digest_of(account_id),
        key_id=KEY,
        kind=CallKind.STREAM,
        endpoint="/v1/chat/completions",
        model=MODEL,
        tokens_held=tokens,
        admitted_at=NOON,
        tokens_prompt=PROMPT,
        tokens_completion=tokens - PROMPT,
    )


def _digest_of(account_id: AccountId) -> KeyDigest:
    return KeyDigest(sha256(account_id.encode()).hexdigest())
