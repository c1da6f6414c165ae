"""Accounts with enough to spend, and usage of theirs as a gateway publishes it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from services.metering.use_cases.grant_trial import grant_trial
from shared.api_keys import new_account_id
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.contracts.accounts import AccountRegistered, Trial
from shared.contracts.envelope import Envelope, wrap
from shared.contracts.gateway import REVISION_SERVED, Outcome, UsageRecord, UsageRecorded
from shared.ids import AccountId, new_uuid7
from shared.postgres import Pool

TOKENS_GRANTED = 10**12
MESSAGES_AT_ONCE = 40
MODELS = ("gpt-oss-20b-mxfp4.gguf", "gemma-3-270m-it-Q4_K_M.gguf")


async def open_accounts(pool: Pool, count: int) -> list[AccountId]:
    trial = Trial(tokens=TOKENS_GRANTED, expires_at=utc_now() + timedelta(days=7))
    accounts = [new_account_id() for _ in range(count)]
    for account_id in accounts:
        event = AccountRegistered(account_id=account_id, email="bench@example.com", trial=trial)
        await grant_trial(pool, new_uuid7(), event, utc_now())
    return accounts


def record_of(account_id: AccountId, random: Random) -> UsageRecord:
    now = utc_now()
    return UsageRecord(
        request_id=new_uuid7(),
        account_id=account_id,
        key_id=f"0197b1c2-0000-7000-8000-0000{account_id.encode().hex()[:8]}",
        endpoint="/v1/chat/completions",
        model=random.choice(MODELS),
        tokens_prompt=random.randint(1, 2_000),
        tokens_completion=random.randint(1, 1_000),
        outcome=Outcome.COMPLETED,
        estimated=False,
        revision=REVISION_SERVED,
        admitted_at=now - timedelta(seconds=random.uniform(0.1, 20)),
        ended_at=now,
    )


class Gateway:
    """Publishes under one name, in numbered batches, confirmed."""

    def __init__(self, publisher: Publisher, name: str) -> None:
        self._publisher = publisher
        self._name = name
        self._sequence = 0

    async def publish(self, batches: Sequence[Sequence[UsageRecord]]) -> None:
        for start in range(0, len(batches), MESSAGES_AT_ONCE):
            envelopes = [self._wrap(batch) for batch in batches[start : start + MESSAGES_AT_ONCE]]
            confirmed = await self._publisher.publish(envelopes)
            assert len(confirmed) == len(envelopes)
            await asyncio.sleep(0)

    def _wrap(self, records: Sequence[UsageRecord]) -> Envelope:
        self._sequence += 1
        event = UsageRecorded(gateway=self._name, sequence=self._sequence, records=tuple(records))
        return wrap(event, source="gateway", subject=None, now=utc_now())
