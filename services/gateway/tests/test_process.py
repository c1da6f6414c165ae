"""The process as it is deployed: it starts from its environment, serves, keeps quiet, and stops when told."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from services.gateway.settings import GatewaySettings
from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT
from services.gateway.tests.support.usage import UsageListener
from tests.support.eventually import eventually
from tests.support.upstream import Script, StandInUpstream

PROMPT, COMPLETION = "canary-in-the-prompt", "canary-in-the-completion"


def environment_of(settings: GatewaySettings, port: int) -> dict[str, str]:
    values = {
        name.upper(): text_of(value)
        for name, value in settings.model_dump(exclude={"trusted_proxies", "internal_token"}).items()
    }
    ours = {"INTERNAL_TOKEN": "internal", "LISTEN_PORT": str(port), "LOG_LEVEL": "debug"}
    return {"PATH": os.environ["PATH"]} | values | ours


def text_of(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
async def process(
    settings_with: SettingsFactory, redis: Redis
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    port = free_port()
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"),
        env=environment_of(settings_with(), port),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        yield started, client
    if started.returncode is None:
        started.kill()
        await started.wait()


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def test_it_serves_logs_no_content_and_no_key_and_stops_when_told(
    process: tuple[asyncio.subprocess.Process, httpx.AsyncClient], account: Account,
    upstream: StandInUpstream, usage: UsageListener,
) -> None:  # fmt: skip
    gateway, client = process
    await eventually(lambda: is_ready(client), within_seconds=20)
    upstream.script = Script(tokens=(COMPLETION,) * 4, dies_after=3)
    for stream in (True, False):
        body = {"messages": [{"role": "user", "content": PROMPT}], "stream": stream, "n_predict": None}
        reply = await client.post(CHAT, json=body, headers=account.headers)
        assert reply.headers["x-request-id"]
        assert "server" not in reply.headers
    await client.post(CHAT, json={"messages": PROMPT}, headers=account.headers)
    gateway.send_signal(signal.SIGTERM)
    output, _ = await asyncio.wait_for(gateway.communicate(), 20)
    assert gateway.returncode in (0, -signal.SIGTERM)
    text = output.decode()
    assert {json.loads(line)["service"] for line in text.splitlines()} == {"gateway"}
    for secret in (PROMPT, COMPLETION, account.key, "a pepper for tests", "upstream-secret"):
        assert secret not in text


async def test_a_missing_setting_ends_it_with_one_sentence() -> None:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"),
        env={"PATH": os.environ["PATH"], "INTERNAL_TOKEN": "internal"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await started.communicate()
    assert started.returncode == 2
    assert error.decode().count("\n") == 1
    assert "REDIS_URL is not set" in error.decode()
