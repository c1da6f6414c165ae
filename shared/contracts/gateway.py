"""Events owned by the gateway: what was generated for whom. No prompt or completion text, ever."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.envelope import Event

REVISION_SWEPT = 1
"""Settled from its last checkpoint, because its gateway stopped answering."""
REVISION_SERVED = 2
"""Settled by the gateway that served it; corrects a swept one."""
RECORDS_PER_EVENT_MAX = 500
"""Keeps a message below about 200 kB and a metering transaction short."""


class Outcome(StrEnum):
    COMPLETED = "completed"
    CLIENT_DISCONNECTED = "client_disconnected"
    UPSTREAM_FAILED = "upstream_failed"
    LOST = "lost"
    REVOKED = "revoked"
    """Its key was revoked while it ran."""


class UsageRecord(BaseModel):
    """One request's count, as charged: `tokens_prompt + tokens_completion` never exceeds its hold.

    `tokens_cached` is the part of the prompt the upstream found in its cache; it is inside
    `tokens_prompt`. `estimated` marks a count that did not come from the upstream's own usage.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    request_id: UUID
    account_id: str
    key_id: str
    endpoint: str
    model: str
    tokens_prompt: int = Field(ge=0)
    tokens_completion: int = Field(ge=0)
    tokens_cached: int = Field(ge=0, default=0)
    outcome: Outcome
    estimated: bool
    revision: int = Field(ge=1)
    admitted_at: AwareDatetime
    ended_at: AwareDatetime

    @property
    def tokens(self) -> int:
        """What is charged."""
        return self.tokens_prompt + self.tokens_completion


class UsageRecorded(Event):
    """A batch of settled requests. (gateway, sequence) has no gaps, so that metering can see a loss."""

    TYPE: ClassVar[str] = "gateway.usage_recorded.v1"

    gateway: str
    sequence: int = Field(ge=1)
    records: tuple[UsageRecord, ...] = Field(min_length=1, max_length=RECORDS_PER_EVENT_MAX)
