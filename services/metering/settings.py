"""Where metering's servers are, and with what it signs. The environment is read here and nowhere else."""

from datetime import timedelta

from pydantic import Field, SecretStr

from shared.setting_values import (
    DAYS_MAX,
    TOKENS_MAX,
    AmqpUrl,
    HttpUrlOrNone,
    HttpUrls,
    PostgresUrl,
    RedisUrl,
    SecretKey,
)
from shared.settings import ServiceSettings

RETENTION_DAYS_MIN = 90
"""The database drops nothing younger, whatever it is asked (drop_old_usage)."""


class MeteringSettings(ServiceSettings):
    """Without `receipt_signing_key` receipts are not signed. The last five are for the audit."""

    database_url: PostgresUrl
    redis_url: RedisUrl
    amqp_url: AmqpUrl
    balance_low_tokens: int = Field(default=20_000, ge=0, le=TOKENS_MAX)
    trial_ending_days: int = Field(default=2, ge=0, le=DAYS_MAX)
    usage_retention_days: int = Field(default=400, ge=RETENTION_DAYS_MIN, le=DAYS_MAX)
    receipt_signing_key: SecretKey | None = None
    audit_every_seconds: float = Field(default=3600, gt=0)
    accounts_url: HttpUrlOrNone = ""
    billing_url: HttpUrlOrNone = ""
    llama_base_url: HttpUrls = ()
    llama_api_key: SecretStr = SecretStr("")

    @property
    def usage_retention(self) -> timedelta:
        """How long the usage of a request is kept, and taken."""
        return timedelta(days=self.usage_retention_days)
