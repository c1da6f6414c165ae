"""Random histories of one account against the plain model: no token is spent twice, none is lost.

Each rule of the protocol is also taken out of a copy of the scripts, to see that this test would notice.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.admission.lua import SCRIPTS_FOLDER
from shared.admission.tests.one_account import OneAccount
from shared.admission.tests.world import World

HISTORIES = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
UNTIL_NOTICED = settings(
    HISTORIES,
    max_examples=500,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

RULES = {
    "a repeated settlement changes nothing": (
        "prelude.lua",
        "if math.max(journalled_revision, done_revision) >= revision then return nil end",
        "",
    ),
    "a correction replaces the charge before it": (
        "prelude.lua",
        "tokens - journalled_tokens",
        "tokens",
    ),
    "an ended hold is given back": (
        "prelude.lua",
        "redis.call('HINCRBY', account, 'held', 0 - hold.tokens)",
        "",
    ),
    "an older mirror write is dropped": (
        "mirror.lua",
        "if tonumber(redis.call('HGET', account, 'version') or 0) > version then return {'dropped'} end",
        "",
    ),
    "a charge leaves the journal when its own revision is posted": (
        "mirror.lua",
        "posted_revision >= revision",
        "true",
    ),
    "a hold leaves when its request is posted": (
        "mirror.lua",
        "  end_hold(account, holds, leases, account_id, request_id)",
        "",
    ),
    "what is settled is spent": (
        "admit.lua",
        " - tonumber(account.journalled)",
        "",
    ),
    "what is held is not free": (
        "admit.lua",
        " - tonumber(account.held)",
        "",
    ),
    "a trial ends": (
        "admit.lua",
        "if tonumber(expires_at) > now then",
        "if true then",
    ),
    "a repeated admission answers the same hold": (
        "admit.lua",
        "if earlier then return",
        "if false then return",
    ),
    "what is used is not lowered": (
        "prelude.lua",
        "math.max(running - ending, 0)",
        "0",
    ),
    "what is lowered is held": (
        "lower.lua",
        """begin_hold(account_name, holds, leases, account_id, lowering_id, {
  tokens = tokens,""",
        """begin_hold(account_name, holds, leases, account_id, lowering_id, {
  tokens = 0,""",
    ),
    "a request with a heartbeat is not swept": (
        "sweep.lua",
        "if find_hold(keys.holds, request_id).heartbeat_at > now_ms() - ARGV[8] then return nil end",
        "",
    ),
}


@pytest.fixture
def account_with(redis_url: str) -> Iterator[Callable[[Path], type[OneAccount]]]:
    """The machine, run on the scripts of a folder."""
    worlds: list[World] = []

    def make(folder: Path) -> type[OneAccount]:
        worlds.append(World(redis_url, folder))
        return type("OneAccountHere", (OneAccount,), {"world": worlds[-1]})

    yield make
    for world in worlds:
        world.close()


def test_no_history_spends_a_token_twice(account_with: Callable[[Path], type[OneAccount]]) -> None:
    run_state_machine_as_test(account_with(SCRIPTS_FOLDER), settings=HISTORIES)


@pytest.mark.parametrize("rule", RULES)
def test_without_this_rule_a_history_goes_wrong(
    account_with: Callable[[Path], type[OneAccount]], tmp_path: Path, rule: str
) -> None:
    name, text, without = RULES[rule]
    script = copytree(SCRIPTS_FOLDER, tmp_path / "scripts") / name
    assert script.read_text().count(text) == 1
    script.write_text(script.read_text().replace(text, without))
    with pytest.raises(AssertionError):
        run_state_machine_as_test(account_with(script.parent), settings=UNTIL_NOTICED)
