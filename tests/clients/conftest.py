"""One customer with money, and the clients of other makers at the public door: each runs once, as a program of
its own that tells what it got; the tests are about what it told."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.local.outside_clients import FOLDER, install, node_program
from deploy.local.progress import Progress
from deploy.local.settings import ROOT
from shared.api_keys import parse_api_key
from shared.contracts.internal.metering import AdjustRequest
from shared.http.internal import InternalClient
from shared.ids import new_uuid7
from tests.support.eventually import eventually
from tests.support.person import Person
from tests.support.stack import Stack

HERE = Path(__file__).parent
TOKENS = 1_000_000
CLIENT_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Told:
    """What a client got, by the name of what it tried."""

    by_name: Mapping[str, Any]

    def value(self, name: str) -> Any:
        assert "error" not in self.by_name[name], self.by_name[name]["error"]
        return self.by_name[name]["value"]

    def error(self, name: str) -> dict[str, Any]:
        error: dict[str, Any] = self.by_name[name]["error"]
        return error


@pytest.fixture(scope="module")
async def customer(stack: Stack) -> Person:
    person = Person(stack.base_url, stack.mails)
    await person.register()
    await person.ask(max_tokens=1)
    key = parse_api_key(person.key)
    assert key is not None
    tokens = (SecretStr(stack.secret("INTERNAL_TOKEN")),)
    async with InternalClient(stack.private_url("metering"), tokens) as metering:
        paid = AdjustRequest(adjustment_id=new_uuid7(), delta=TOKENS, reason="paid in advance")
        answer = await metering.post(
            f"/internal/accounts/{key.account_id}/adjust", paid.model_dump(mode="json")
        )
        assert answer.status_code == 200, answer.text

    async def has_money() -> bool:
        return await person.available() > TOKENS / 2

    await eventually(has_money)
    return person


@pytest.fixture(scope="module")
def outside_clients() -> Path:
    """The folder of their environments; made here where `make test` has not."""
    install(ROOT, Progress())
    return ROOT / FOLDER


@pytest.fixture(scope="module")
def langchain(customer: Person, outside_clients: Path) -> Told:
    python = outside_clients / "python" / "bin" / "python"
    return _told_by([python, HERE / "langchain_client.py"], customer)


@pytest.fixture(scope="module")
def node(customer: Person, outside_clients: Path) -> Told:
    program = shutil.copy(HERE / "node" / "clients.mjs", outside_clients / "node")
    return _told_by([node_program(ROOT), program], customer)


def _told_by(command: Sequence[str | Path], customer: Person) -> Told:
    given = {"BASE_URL": f"{customer.base_url}/v1", "API_KEY": customer.key, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, env=given, capture_output=True, text=True, timeout=CLIENT_TIMEOUT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Told(json.loads(done.stdout))
