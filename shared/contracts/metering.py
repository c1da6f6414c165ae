"""Events owned by metering: what a person should hear about their balance. Each once per crossing."""

from typing import ClassVar

from pydantic import AwareDatetime

from shared.contracts.envelope import Event


class BalanceLow(Event):
    """The balance fell below the operator's threshold."""

    TYPE: ClassVar[str] = "metering.balance_low.v1"

    account_id: str
    tokens_available: int
    tokens_threshold: int


class BalanceExhausted(Event):
    """Nothing is left to spend."""

    TYPE: ClassVar[str] = "metering.balance_exhausted.v1"

    account_id: str


class TrialEnding(Event):
    """The trial ends soon with tokens left in it."""

    TYPE: ClassVar[str] = "metering.trial_ending.v1"

    account_id: str
    tokens_left: int
    expires_at: AwareDatetime
