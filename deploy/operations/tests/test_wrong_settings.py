"""Each service, as the process that it is: a wrong or missing setting ends its start with one sentence that names it."""

import asyncio
import importlib
import io
import os
import sys
from base64 import b64encode
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from deploy.local.servers.services import SERVICES
from shared.settings import load

KEY = b64encode(bytes(32)).decode()
GOOD = {
    "INTERNAL_TOKEN": "an-internal-token",
    "DATABASE_URL": "postgresql://role:password@127.0.0.1/gateway",
    "REDIS_URL": "redis://:password@127.0.0.1/0",
    "AMQP_URL": "amqp://promptly:password@127.0.0.1/",
    "ACCOUNTS_URL": "http://127.0.0.1:1",
    "METERING_URL": "http://127.0.0.1:2",
    "BILLING_URL": "http://127.0.0.1:3",
    "NOTIFIER_URL": "http://127.0.0.1:4",
    "GATEWAY_URL": "http://127.0.0.1:5",
    "LLAMA_BASE_URL": "http://127.0.0.1:6",
    "KEY_PEPPER": "p" * 32,
    "SEALING_PUBLIC_KEY": KEY,
    "SEALING_PRIVATE_KEY": KEY,
    "RECEIPT_SIGNING_KEY": KEY,
    "ADMIN_KEY": "the operator's key",
    "MAIL_DIR": "mails",
}
MAIL = {"SMTP_HOST": "smtp.example.com", "SMTP_FROM": "keys@example.com"}
MALFORMED = {
    "*": {
        "INTERNAL_TOKEN": ["short", "long-enough-for-one,short"],
        "BASE_URL": ["promptlyapi.com", "ftp://promptlyapi.com", "https:///path"],
        "TRUSTED_PROXIES": ["10.0.0.0/33", "10.0.0.1/8", "everybody"],
        "LISTEN_PORT": ["0", "65536", "http"],
        "LOG_LEVEL": ["loud"],
        "AMQP_URL": ["rabbitmq", "http://rabbitmq", "amqp://promptly:pass/word@rabbitmq/"],
    },
    "gateway": {
        "REDIS_URL": ["redis.internal", "redis://:pass#word@redis:6379/0"],
        "ACCOUNTS_URL": ["accounts:8000"],
        "METERING_URL": ["http://metering:port"],
        "KEY_PEPPER": ["too-short-to-be-a-pepper"],
        "LLAMA_BASE_URL": ["100.64.0.9:8502", "http://a,b"],
        "UPSTREAM_CONCURRENCY": ["0", "many"],
        "UPSTREAM_TIMEOUT_SECONDS": ["0", "-1", "inf", "nan"],
        "QUEUE_TIMEOUT_SECONDS": ["inf"],
        "QUEUE_LENGTH_MAX": ["-1"],
        "INFERENCE_IP_RATE_LIMIT": ["0"],
        "CORS_ALLOWED_ORIGINS": ["https://app.example.com/path"],
        "MAX_COMPLETION_TOKENS": ["0"],
    },
    "accounts": {
        "DATABASE_URL": ["db/gateway", "mysql://db/gateway"],
        "REDIS_URL": ["http://redis"],
        "GATEWAY_URL": ["gateway"],
        "KEY_PEPPER": ["too-short-to-be-a-pepper"],
        "SEALING_PUBLIC_KEY": ["no base64", "c2hvcnQ="],
        "ADMIN_KEY": ["admin"],
        "ADMIN_ALLOWED_CIDRS": ["100.64.0.0/10,10.0.0.0/33"],
        "TRIAL_TOKENS": ["-1", "99999999999999999999"],
        "TRIAL_EXPIRY_DAYS": ["0", "9999999"],
        "REGISTRATION_RATE_LIMIT": ["0"],
        "KEY_RECOVERY": ["never"],
    },
    "metering": {
        "DATABASE_URL": ["postgresql:///gateway"],
        "RECEIPT_SIGNING_KEY": ["c2hvcnQ=", "no base64"],
        "USAGE_RETENTION_DAYS": ["89", "9999999999"],
        "TRIAL_ENDING_DAYS": ["9999999"],
        "BALANCE_LOW_TOKENS": ["99999999999999999999"],
        "AUDIT_EVERY_SECONDS": ["0", "inf"],
        "ACCOUNTS_URL": ["accounts"],
        "LLAMA_BASE_URL": ["llama"],
    },
    "billing": {
        "DATABASE_URL": ["postgresql://billing:pass/word@db/gateway"],
        "ADMIN_ALLOWED_CIDRS": ["tailnet"],
        "BTCPAY_URL": ["btcpay:49392"],
        "BTCPAY_PUBLIC_URL": ["btcpay.example.com"],
        "STRIPE_API_URL": ["stripe", "http://127.0.0.1:7"],
        "LOCAL_FAKES": ["maybe"],
    },
    "notifier": {
        "DATABASE_URL": ["x"],
        "SEALING_PRIVATE_KEY": ["c2hvcnQ=", f"{KEY},c2hvcnQ="],
        "SMTP_PORT": ["0", "65536"],
        "SMTP_TLS": ["maybe"],
        "SMTP_USER": ["alone"],
        "SMTP_PASSWORD": ["alone"],
        "SMTP_FROM": ["no address"],
        "SITE_NAME": ["two\nlines"],
    },
}
"""By service, `*` for all: values that cannot be."""


def settings_class(service: str) -> type[BaseSettings]:
    module = importlib.import_module(f"services.{service}.settings")
    [found] = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseSettings) and each.__module__ == module.__name__
    ]
    return found


def told_by(service: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What it writes while it refuses to start."""
    for name in {*os.environ} - {"PATH", "HOME"}:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = io.StringIO()
    with redirect_stderr(said), pytest.raises(SystemExit) as stop:
        load(settings_class(service))
    assert stop.value.code == 2
    return said.getvalue()


CASES = [
    (service, name, value)
    for service in SERVICES
    for name, values in {**MALFORMED["*"], **MALFORMED[service]}.items()
    for value in values
]


@pytest.mark.parametrize(("service", "name", "value"), CASES)
def test_a_value_that_cannot_be_stops_the_start(
    service: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = MAIL if service == "notifier" else {}
    said = told_by(service, {**GOOD, **mail, name: value}, monkeypatch)
    assert said.count("\n") == 1
    assert said.endswith(".\n")
    assert name in said or (name == "SMTP_USER" and "SMTP_PASSWORD" in said)
    assert "Value error" not in said
    if len(value) > len("loud"):
        assert value not in said


@pytest.mark.parametrize("service", SERVICES)
def test_a_missing_one_is_named_with_its_remedy(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = [name for name, field in settings_class(service).model_fields.items() if field.is_required()]
    assert {"internal_token", "amqp_url"} <= {*needed}
    for missing in (name.upper() for name in needed):
        rest = {name: value for name, value in GOOD.items() if name != missing}
        said = told_by(service, rest, monkeypatch)
        assert said == f"{missing} is not set: set it in the environment or in .env (see .env.template).\n"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"STRIPE_SECRET_KEY": "rk_live_1"}, "STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_1"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_SECRET_KEY": "rk_live_1", "STRIPE_WEBHOOK_SECRET": " , "}, "STRIPE_WEBHOOK_SECRET"),
        (
            dict.fromkeys(("BTCPAY_URL", "BTCPAY_PUBLIC_URL"), "https://btcpay.example.com"),
            "BTCPAY_API_KEY and BTCPAY_STORE_ID and BTCPAY_WEBHOOK_SECRET",
        ),
    ],
)
def test_half_of_a_payment_provider_stops_the_start(
    given: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = told_by("billing", {**GOOD, **given}, monkeypatch)
    one = next(name for name in given if name not in missing)
    rule = "a provider needs all of its settings, or none"
    assert said == f"{missing} must be set where {one} is: {rule}.\n"


@pytest.mark.parametrize("service", SERVICES)
def test_good_ones_are_taken(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    load(settings_class(service))


@pytest.mark.parametrize("service", SERVICES)
def test_any_of_them_may_stand_in_a_file(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docker's secrets are: /run/secrets/KEY_PEPPER."""
    wanted = [name for name in GOOD if name.lower() in settings_class(service).model_fields]
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    for name in wanted:
        (tmp_path / name).write_text(f"{GOOD[name]}\n")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    from_files = load(settings_class(service))
    for name in wanted:
        monkeypatch.delenv(f"{name}_FILE")
        monkeypatch.setenv(name, GOOD[name])
    assert from_files == load(settings_class(service))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"KEY_PEPPER_FILE": "/nowhere"}, "KEY_PEPPER_FILE is wrong: /nowhere cannot be read"),
        ({"KEY_PEPPER_FILE": "/"}, "KEY_PEPPER_FILE is wrong: / cannot be read"),
        ({"KEY_PEPPER_FILE": "/dev/null"}, "KEY_PEPPER is not set"),
        ({"KEY_PEPPER": "p" * 32, "KEY_PEPPER_FILE": "/x"}, "KEY_PEPPER and KEY_PEPPER_FILE are both set"),
    ],
)
def test_a_file_that_cannot_be_read_stops_the_start(
    given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = {name: value for name, value in GOOD.items() if name != "KEY_PEPPER"}
    assert told_by("gateway", {**rest, **given}, monkeypatch).startswith(said)


async def test_the_process_itself_ends_so() -> None:
    """Nothing but the sentence, and 2."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.notifier"),
        env={"PATH": os.environ["PATH"], **GOOD, "SMTP_USER": "alone"},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, told = await process.communicate()
    assert (process.returncode, said) == (2, b"")
    assert told == b"SMTP_PASSWORD is wrong: SMTP_USER and SMTP_PASSWORD go together.\n"
