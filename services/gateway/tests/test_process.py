"""The process as it is deployed: it starts from its environment, serves, keeps quiet, and stops when told."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT
from services.gateway.tests.support.process import running_process
from tests.support.upstream import Script, StandInUpstream

PROMPT, COMPLETION = "canary-in-the-prompt", "canary-in-the-completion"


async def test_it_serves_logs_no_content_and_no_key_and_stops_when_told(
    settings_with: SettingsFactory, account: Account, upstream: StandInUpstream, tmp_path: Path
) -> None:
    upstream.script = Script(tokens=(COMPLETION,) * 4, dies_after=3)
    async with running_process(settings_with(), tmp_path / "log") as gateway:
        for stream in (True, False):
            body = {"messages": [{"role": "user", "content": PROMPT}], "stream": stream, "n_predict": None}
            reply = await gateway.client.post(CHAT, json=body, headers=account.headers)
            assert reply.headers["x-request-id"]
            assert "server" not in reply.headers
        await gateway.client.post(CHAT, json={"messages": PROMPT}, headers=account.headers)
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.process.wait(), 20) in (0, -signal.SIGTERM)
    text = (tmp_path / "log").read_text()
    assert {json.loads(line)["service"] for line in text.splitlines()} == {"gateway"}
    for secret in (PROMPT, COMPLETION, account.key, "a pepper for tests", "upstream-secret"):
        assert secret not in text


async def test_a_missing_setting_ends_it_with_one_sentence() -> None:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"),
        env={"PATH": os.environ["PATH"], "INTERNAL_TOKEN": "an-internal-token"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await started.communicate()
    assert started.returncode == 2
    assert error.decode().count("\n") == 1
    assert "REDIS_URL is not set" in error.decode()
