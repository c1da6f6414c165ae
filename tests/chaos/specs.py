"""What the processes of chaos are told: settings, a line to each server, and the folder of their fault points."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.local import folder, probes
from deploy.local.fakes.settings import BTCPAY_PAGES, FakeSettings
from deploy.local.processes import ProcessSpec
from deploy.local.secrets import load_secrets
from deploy.local.settings import ROOT, load_settings
from deploy.local.system import System
from tests.chaos.lines import Line
from tests.support.upstream_wire import API_KEY

GATEWAYS = ("gateway", "gateway-2")
TRIAL_TOKENS = 4_000
SETTINGS = {
    "TRIAL_TOKENS": str(TRIAL_TOKENS),
    "LLAMA_API_KEY": API_KEY,
    "UPSTREAM_CONCURRENCY": "16",
    "UPSTREAM_TIMEOUT_SECONDS": "30",
    "QUEUE_TIMEOUT_SECONDS": "30",
    "INFERENCE_USER_RATE_LIMIT": "100000",
    "INFERENCE_IP_RATE_LIMIT": "100000",
    "INFERENCE_CONCURRENCY_LIMIT": "1000",
    "REGISTRATION_RATE_LIMIT": "100000",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": "9",
    "SMTP_FROM": "Promptly <keys@promptly.invalid>",
    "BALANCE_LOW_TOKENS": "1000",
    "STRIPE_SECRET_KEY": "sk_test_chaos",
    "STRIPE_WEBHOOK_SECRET": "whsec_chaos_of_stripe",
    "BTCPAY_API_KEY": "chaos-btcpay-key",
    "BTCPAY_STORE_ID": "stand-in",
    "BTCPAY_WEBHOOK_SECRET": "chaos-btcpay-webhook-secret",
}
NEEDS = {
    "gateway": ("redis", "rabbitmq", "upstream", "accounts", "metering"),
    "accounts": ("postgres", "redis", "rabbitmq", "metering", "billing", "notifier"),
    "metering": ("postgres", "redis", "rabbitmq", "accounts", "billing"),
    "billing": ("postgres", "rabbitmq", "payments", "accounts", "metering"),
    "notifier": ("postgres", "rabbitmq", "smtp"),
}
"""Who speaks to whom: each pair has a line of its own."""
SERVER_OF = {
    "DATABASE_URL": "postgres",
    "REDIS_URL": "redis",
    "AMQP_URL": "rabbitmq",
    "LLAMA_BASE_URL": "upstream",
    "SMTP_PORT": "smtp",
    "STRIPE_API_URL": "payments",
    "BTCPAY_URL": "payments",
    "ACCOUNTS_URL": "accounts",
    "METERING_URL": "metering",
    "BILLING_URL": "billing",
    "NOTIFIER_URL": "notifier",
}


def choose(home: Path, edge: int) -> System:
    given = {
        **SETTINGS,
        "PORT": str(edge),
        "LOCAL_DIR": str(home / "system"),
        "LLAMA_BASE_URL": "http://127.0.0.1:9",
    }
    given |= {"STRIPE_API_URL": "http://127.0.0.1:9", "BTCPAY_URL": "http://127.0.0.1:9"}
    given |= {"BTCPAY_PUBLIC_URL": f"http://127.0.0.1:{edge}{BTCPAY_PAGES}"}
    settings = load_settings(given, env_file=Path(os.devnull))
    folder.make_folder(settings.local_dir)
    secrets = load_secrets(settings.local_dir / "secrets.env", settings.given)
    return System.choose(settings, secrets)


def fake_settings(hooks_at: str) -> FakeSettings:
    return FakeSettings(
        base_url=hooks_at,
        stripe_hook=f"{hooks_at}/stripe/webhook",
        btcpay_hook=f"{hooks_at}/btcpay/webhook",
        stripe_key=SETTINGS["STRIPE_SECRET_KEY"],
        stripe_webhook_secret=SETTINGS["STRIPE_WEBHOOK_SECRET"],
        btcpay_key=SETTINGS["BTCPAY_API_KEY"],
        btcpay_store_id=SETTINGS["BTCPAY_STORE_ID"],
        btcpay_webhook_secret=SETTINGS["BTCPAY_WEBHOOK_SECRET"],
    )


def model_spec(home: Path, log: Path, port: int) -> ProcessSpec:
    return ProcessSpec(
        name="upstream",
        argv=(sys.executable, "-m", "tests.chaos.upstream", str(port), str(log)),
        folder=ROOT,
        log=home / "model.log",
        is_ready=lambda: probes.accepts(port),
        port=port,
    )


def service_spec(system: System, lines: Mapping[str, Line], home: Path, name: str) -> ProcessSpec:
    """As `make run` starts it, only that each server is at the end of a line."""
    [spec] = [each for each in system.services(system.own_backing) if each.name == name]
    ports = {server: lines[f"{name}>{server}"].port for server in NEEDS[name]}
    environment = {key: _moved(key, value, ports) for key, value in spec.environment.items()}
    return replace(spec, environment={**environment, **_faults(home, name)})


def _moved(name: str, value: str, ports: Mapping[str, int]) -> str:
    """A setting that says where a server is, with the line's port instead."""
    server = SERVER_OF.get(name, "")
    if server not in ports:
        return value
    return str(ports[server]) if name == "SMTP_PORT" else _through(value, ports[server])


def second_spec(first: ProcessSpec, home: Path, port: int) -> ProcessSpec:
    name = GATEWAYS[1]
    return replace(
        first,
        name=name,
        log=first.log.with_name(f"{name}.log"),
        port=port,
        is_ready=lambda: probes.http_answers(port, "/ready"),
        missing=lambda: probes.missing_parts(port),
        environment={**first.environment, "LISTEN_PORT": str(port), **_faults(home, name)},
    )


def _faults(home: Path, name: str) -> dict[str, str]:
    orders = home / "faults" / name
    orders.mkdir(parents=True, exist_ok=True)
    return {"FAULT_POINTS": str(orders)}


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{port}"))
