"""What each service is told, and nothing more: the gateway gets no database, only notifier the private key."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from deploy.database.bootstrap import SERVICES as WITH_SCHEMA
from deploy.database.bootstrap import url_of
from deploy.local.secrets import ROLE_PASSWORDS

EVERY_SERVICE = (
    *("BASE_URL", "LOG_LEVEL", "TRUSTED_PROXIES", "INTERNAL_TOKEN", "AMQP_URL"),
    *("OTEL_*", "PROMPTLY_VERSION"),
)
OWN = {
    "gateway": (
        *("REDIS_URL", "ACCOUNTS_URL", "METERING_URL", "KEY_PEPPER"),
        *("LLAMA_*", "UPSTREAM_*", "QUEUE_*", "*_COMPLETION_TOKENS", "INFERENCE_IP_*", "CORS_*"),
    ),
    "accounts": (
        *("DATABASE_URL", "REDIS_URL", "METERING_URL", "BILLING_URL", "NOTIFIER_URL", "GATEWAY_URL"),
        *("KEY_PEPPER", "KEY_RECOVERY", "EMAIL_DELIVERABILITY", "SEALING_PUBLIC_KEY"),
        *("REGISTRATION_*", "ADMIN_*", "TRIAL_TOKENS", "TRIAL_EXPIRY_DAYS"),
        *("INFERENCE_USER_*", "INFERENCE_CONCURRENCY_*"),
    ),
    "metering": (
        *("DATABASE_URL", "REDIS_URL", "BALANCE_LOW_TOKENS", "TRIAL_ENDING_DAYS"),
        *("USAGE_RETENTION_DAYS", "RECEIPT_SIGNING_KEY", "AUDIT_*"),
        # what the audit asks, and the model server, whose counters it reads
        *("ACCOUNTS_URL", "BILLING_URL", "LLAMA_BASE_URL", "LLAMA_API_KEY"),
    ),
    "billing": (
        *("DATABASE_URL", "ACCOUNTS_URL", "METERING_URL", "ADMIN_ALLOWED_CIDRS"),
        *("STRIPE_*", "BTCPAY_*", "LOCAL_FAKES"),
    ),
    "notifier": ("DATABASE_URL", "SEALING_PRIVATE_KEY", "SITE_NAME", "SMTP_*", "MAIL_DIR"),
}
"""Name patterns. The data of people and money stay apart by this table as much as by database roles."""


@dataclass(frozen=True, slots=True)
class BackingUrls:
    """Where the backing servers answer; `postgres` as the superuser."""

    postgres: str
    redis: str
    amqp: str


def environment_of(service: str, settings: Mapping[str, str], backing: BackingUrls) -> dict[str, str]:
    """`settings` has every setting and secret of the system; the service gets its own part."""
    everything = {**settings, "REDIS_URL": backing.redis, "AMQP_URL": backing.amqp}
    if service in WITH_SCHEMA:
        password = settings[ROLE_PASSWORDS[service]]
        everything["DATABASE_URL"] = url_of(backing.postgres, service, password)
    patterns = (*EVERY_SERVICE, *OWN[service])
    return {
        name: value for name, value in everything.items() if any(fnmatchcase(name, each) for each in patterns)
    }
