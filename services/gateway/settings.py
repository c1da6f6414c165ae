"""What the gateway needs from its environment. It has no database credentials."""

from pydantic import Field, SecretStr

from shared.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    redis_url: str
    amqp_url: str
    accounts_url: str
    metering_url: str
    key_pepper: SecretStr = Field(min_length=32)

    llama_base_url: str
    llama_api_key: SecretStr | None = None
    upstream_concurrency: int = Field(default=4, ge=1)
    upstream_timeout_seconds: float = Field(default=600, gt=0)
    queue_length_max: int = Field(default=256, ge=0)
    queue_timeout_seconds: float = Field(default=30, gt=0)

    inference_ip_rate_limit: int = Field(default=120, ge=1)
    default_completion_tokens: int = Field(default=8192, ge=1)
    max_completion_tokens: int = Field(default=32768, ge=1)
