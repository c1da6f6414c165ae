"""A backup becomes a system again: empty before, with the same books after, and an audit that finds no difference."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.local.failures import LocalFailure
from deploy.local.ports import free_port
from deploy.local.progress import Progress
from deploy.local.servers import postgres
from deploy.local.settings import ROOT, LocalSettings, load_settings
from deploy.operations.backup import backup
from deploy.operations.backups import DUMP, Backups
from deploy.operations.place_local import LocalPlace
from deploy.operations.restore import Unasked, restore
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.newcomers import Newcomer
from tests.support.stack import Stack, run_stack

CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup, what its system said then, and who was known to it."""

    path: Path
    backups: Backups
    balance: int
    newcomer: Newcomer
    later: Newcomer
    secrets: Mapping[str, str]
    model: str


@pytest.fixture
async def saved(fleet: Fleet, tmp_path: Path) -> Saved:
    """Of a system that goes on: what happens after the backup is not in it."""
    [newcomer] = await fleet.newcomers(1)
    gateway, place = fleet.url("gateway"), LocalPlace(fleet.stack.live.system.settings)
    receipt = f"/v1/usage/{ask(gateway, newcomer).headers['x-request-id']}"

    async def is_posted() -> bool:
        return status(gateway, newcomer, receipt) == 200

    await eventually(is_posted)
    left = balance(gateway, newcomer)
    backups = Backups(tmp_path / "backups", keep=2)
    path = backup(place, backups, Progress(sys.stderr))
    [later] = await fleet.newcomers(1)
    ask(gateway, newcomer)
    model = fleet.stack.live.system.settings.given["LLAMA_BASE_URL"]
    return Saved(path, backups, left, newcomer, later, fleet.stack.live.system.secrets, model)


@pytest.fixture
def empty(saved: Saved, tmp_path: Path) -> Iterator[LocalSettings]:
    """A system of its own that was never started, told the secrets of the other."""
    given = {**settings_of(saved), "PORT": str(free_port()), "LOCAL_DIR": str(tmp_path / "empty")}
    yield load_settings(given, env_file=Path("/dev/null"))
    postgres.remove_data(tmp_path / "empty" / "postgres")


def settings_of(saved: Saved) -> dict[str, str]:
    names = ("KEY_PEPPER", "SEALING_PUBLIC_KEY", "SEALING_PRIVATE_KEY", "LLAMA_API_KEY")
    return {**{name: saved.secrets[name] for name in names}, "LLAMA_BASE_URL": saved.model}


def ask(url: str, newcomer: Newcomer) -> httpx.Response:
    body = newcomer.next_body(20, stream=False, tokens=3)
    return httpx.post(f"{url}{CHAT}", json=body, headers=newcomer.headers, timeout=60).raise_for_status()


def balance(url: str, newcomer: Newcomer) -> int:
    reply = httpx.get(f"{url}/v1/balance", headers=newcomer.headers, timeout=30).raise_for_status()
    return int(reply.json()["available"])


def status(url: str, newcomer: Newcomer, path: str) -> int:
    return httpx.get(f"{url}{path}", headers=newcomer.headers, timeout=30).status_code


def audit(stack: Stack) -> subprocess.CompletedProcess[str]:
    [spec] = [each for each in stack.live.system.services(stack.backing) if each.name == "metering"]
    return subprocess.run(
        [sys.executable, "-m", "services.metering", "audit"],
        cwd=ROOT,
        env={**spec.environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_empty_system_becomes_the_one_that_was_saved(
    saved: Saved, empty: LocalSettings, tmp_path: Path
) -> None:
    """Redis is rebuilt from PostgreSQL, RabbitMQ begins empty. What came after the backup is gone, and no more."""
    restore(LocalPlace(empty), saved.backups, saved.path, Unasked.REFUSE, Progress(sys.stderr))
    with run_stack(tmp_path / "empty", None, {**settings_of(saved), "PORT": str(empty.port)}) as stack:
        assert balance(stack.base_url, saved.newcomer) == saved.balance
        done = audit(stack)
        assert (done.returncode, done.stdout.count("No difference. All was checked.")) == (0, 1), done.stdout
        ask(stack.base_url, saved.newcomer)
        assert status(stack.base_url, saved.later, "/v1/balance") == 401
        assert audit(stack).returncode == 0
        with pytest.raises(LocalFailure, match="The system runs: stop it first"):
            restore(LocalPlace(empty), saved.backups, saved.path, Unasked.REPLACE, Progress(sys.stderr))
    with pytest.raises(LocalFailure, match=r"There is a filled database \(\d+ accounts, grants and orders\)"):
        restore(LocalPlace(empty), saved.backups, saved.path, Unasked.REFUSE, Progress(sys.stderr))
    restore(LocalPlace(empty), saved.backups, saved.path, Unasked.REPLACE, Progress(sys.stderr))
    [first, second] = saved.backups.list_made()
    assert (first, (second / DUMP).exists()) == (saved.path, True), "what was there was kept first"
