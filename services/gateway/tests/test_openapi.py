"""The OpenAPI document says what the gateway does: its fields are the parser's, and schemathesis, which asks for
everything that it allows and for much that it does not, finds no fault of ours and no answer out of its schema."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.domain import chat_request, completion_request, embedding_request, response_fields
from services.gateway.domain.chat_fields import REFUSED, is_refused
from services.gateway.domain.openapi_bodies import CHAT, COMPLETION, EMBEDDING, RESPONSE
from services.gateway.domain.openapi_document import build_document
from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.support.accounts import open_account
from services.gateway.tests.support.ledger_reads import LedgerReads
from services.gateway.tests.support.process import running_process
from services.gateway.tests.support.serving import serving
from tests.support.upstream import StandInUpstream

SUPPORT = Path(__file__).parent / "support"
PROGRAM = Path(sys.executable).with_name("schemathesis")
SCHEMATHESIS_TIMEOUT_SECONDS = 180
"""It takes 30 where nothing else runs."""
EXAMPLES = 10
SEED = 4


@pytest.mark.parametrize(
    ("body", "known", "refused"),
    [
        (CHAT, chat_request.KNOWN, REFUSED),
        (COMPLETION, completion_request.KNOWN, REFUSED | completion_request.REFUSED),
        (EMBEDDING, embedding_request.KNOWN, REFUSED | embedding_request.REFUSED),
        (RESPONSE, response_fields.KNOWN, REFUSED | response_fields.REFUSED),
    ],
)
def test_the_documented_fields_are_those_of_the_parser(
    body: dict[str, Any], known: frozenset[str], refused: frozenset[str]
) -> None:
    assert set(body["properties"]) == known | refused
    assert all(is_refused(name) for name in REFUSED)


def test_every_reference_leads_somewhere() -> None:
    document = build_document("http://127.0.0.1")
    for reference in references_in(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def references_in(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in references_in(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for item in value.values() for found in references_in(item)]


async def test_it_is_there_for_everybody(gateway: httpx.AsyncClient) -> None:
    reply = await gateway.get("/openapi.json")
    assert reply.json()["openapi"].startswith("3.1")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert {"/v1/chat/completions", "/v1/responses", "/v1/usage/{request_id}"} <= reply.json()["paths"].keys()


async def test_schemathesis_finds_no_500_and_no_schema_breach(
    settings_with: SettingsFactory,
    redis: Redis,
    upstream: StandInUpstream,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.upstream.CONTEXT_TOKENS", 1_000_000)  # no schema says it
    account = await open_account(redis, tokens=1_000_000_000, limit_per_minute=1_000_000)
    async with serving(LedgerReads(knows_every_request=True).app()) as metering_url:
        settings = settings_with(metering_url=metering_url, inference_ip_rate_limit=1_000_000)
        async with running_process(settings, tmp_path / "log") as gateway:
            status, said = await schemathesis(gateway.url, account.key, tmp_path)
    assert status == 0, said
    assert "9 selected / 9 total" in said
    assert upstream.generations


async def schemathesis(url: str, key: str, folder: Path) -> tuple[int | None, str]:
    """Its exit code and what it said. It works in `folder`."""
    options = ["--header", f"Authorization: Bearer {key}", "--seed", str(SEED), "--workers", "1"]
    bounds = ["--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure"]
    program = [str(PROGRAM), "--config-file", str(SUPPORT / "schemathesis.toml"), "run"]
    started = await asyncio.create_subprocess_exec(
        *(*program, f"{url}/openapi.json", "--url", url, "--no-color", *options, *bounds),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SUPPORT),
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        },
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SCHEMATHESIS_TIMEOUT_SECONDS):
        said, _ = await started.communicate()
    return started.returncode, said.decode()
