"""What services say to each other over internal HTTP, both ends from the same classes."""

from datetime import date

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class KeyRefillRequest(Message):
    """gateway → accounts: Redis does not know this key; write its record there if you do."""

    digest: str = Field(pattern="^[0-9a-f]{64}$")


class KeyRefillReply(Message):
    found: bool


class MirrorReply(Message):
    """metering, 202: Redis has the account, still closed after a loss. Ask again in so many milliseconds;
    nobody else opens it. (204: it is open. 404: the ledger does not know it.)"""

    opens_in_ms: int = Field(ge=1)


class BalanceReply(Message):
    """metering: the posted balance, in tokens. `available` = paid + trial (if it has not ended)."""

    account_id: str
    available: int
    paid: int
    trial: int
    trial_expires_at: AwareDatetime | None
    debt: int


class UsageDay(Message):
    """One UTC day of one account."""

    day: date
    requests: int
    tokens_prompt: int
    tokens_completion: int


class UsageReply(Message):
    """metering: daily totals, newest first; days without usage are absent."""

    days: tuple[UsageDay, ...]
