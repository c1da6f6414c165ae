"""Where metering's servers are, and with what it signs. The environment is read here and nowhere else."""

from base64 import b64decode
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from shared.settings import CommaSeparated, ServiceSettings

SEED_BYTES = 32
RETENTION_DAYS_MIN = 90
"""The database drops nothing younger, whatever it is asked (drop_old_usage)."""


def _seed(value: SecretStr) -> SecretStr:
    if len(b64decode(value.get_secret_value(), validate=True)) != SEED_BYTES:
        raise ValueError(f"give {SEED_BYTES} bytes in base64")
    return value


class Settings(ServiceSettings):
    """Without `receipt_signing_key` receipts are not signed. The last five are for the audit."""

    database_url: str
    redis_url: str
    amqp_url: str
    balance_low_tokens: int = Field(default=20_000, ge=0)
    trial_ending_days: int = Field(default=2, ge=0)
    usage_retention_days: int = Field(default=400, ge=RETENTION_DAYS_MIN)
    receipt_signing_key: Annotated[SecretStr, AfterValidator(_seed)] | None = None
    audit_every_seconds: float = Field(default=3600, gt=0)
    accounts_url: str = ""
    billing_url: str = ""
    llama_base_url: CommaSeparated = ()
    llama_api_key: SecretStr = SecretStr("")

    @property
    def usage_retention(self) -> timedelta:
        """How long the usage of a request is kept, and taken."""
        return timedelta(days=self.usage_retention_days)
