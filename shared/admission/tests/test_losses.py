"""Redis is lost, gateways stop and die, in random histories: nothing is generated that was not granted.

Each rule of the protocol is also left out, in a copy of the scripts or as a duty of the gateways and of
metering, to see that its history goes wrong then.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.admission.lua import SCRIPTS_FOLDER
from shared.admission.tests import histories
from shared.admission.tests.histories import History
from shared.admission.tests.lost_redis import LostRedis
from shared.admission.tests.served_account import DUTIES
from shared.admission.tests.world import World

HISTORIES = settings(
    max_examples=100,
    stateful_step_count=50,
    derandomize=True,  # the same histories every time: a red run is a change's doing
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # to make a history shorter takes minutes
)


@dataclass(frozen=True)
class Edit:
    """What is taken out of a script, and what stands there instead."""

    script: str
    text: str
    without: str = ""


@dataclass(frozen=True)
class Rule:
    """What it is without: some lines of the scripts, or a duty; and the history that goes wrong then."""

    without: tuple[Edit, ...] | str
    history: History


RULES = {
    "dedup": Rule("dedup", histories.a_batch_is_posted_twice),
    "versions": Rule(
        (
            Edit(
                "mirror.lua",
                "if tonumber(redis.call('HGET', account, 'version') or 0) > version then return {'dropped'} end",
            ),
        ),
        histories.a_mirror_write_comes_late,
    ),
    "mirror pass": Rule("one snapshot", histories.a_request_is_posted_between_snapshot_and_write),
    "lower by hold": Rule("lower by hold", histories.an_operator_deducts_what_a_request_holds),
    "a trial's end waits": Rule(
        "expiry waits for what was admitted before", histories.a_trial_ends_while_a_request_spends_it
    ),
    "revisions": Rule(
        (Edit("mirror.lua", "posted_revision >= revision", "true"),),
        histories.a_stopped_gateway_corrects_what_was_swept,
    ),
    "epoch": Rule(
        (
            Edit("prelude.lua", "if fields.epoch ~= EPOCH then return nil end"),
            Edit("prelude.lua", "epoch == EPOCH and "),
        ),
        histories.redis_restarts_from_an_older_file,
    ),
    "re-assert holds": Rule(
        (Edit("checkpoint.lua", "and was_lost(account, done)", "and false"),),
        histories.a_stream_runs_while_redis_is_emptied,
    ),
    "re-assert the journal": Rule("re-assert the journal", histories.a_settlement_is_lost_with_redis),
    "wait for who is still telling": Rule(
        "wait for who is still telling", histories.telling_takes_longer_than_the_wait
    ),
    "wait before opening": Rule(
        (Edit("mirror.lua", "'opens_at', now + wait_ms", "'opens_at', now"),),
        histories.an_account_is_asked_for_at_once_after_a_loss,
    ),
    "closed means closed": Rule(
        (Edit("admit.lua", " or account.state ~= 'open'"),), histories.a_closed_account_is_asked_for
    ),
    "an opening names its closing": Rule(
        (Edit("mirror.lua", " and tonumber(redis.call('HGET', account, 'opens_at')) == opening_ms"),),
        histories.a_pass_from_before_a_second_loss_arrives,
    ),
    "drain before opening": Rule("drain before opening", histories.a_batch_is_on_its_way_when_redis_is_lost),
    "the ledger remembers what was announced": Rule(
        "remember what was announced", histories.the_publisher_of_a_batch_dies_before_redis_is_lost
    ),
    "cut when swept": Rule("cut when swept", histories.a_stream_goes_on_after_it_was_swept),
    "deliver nothing after standing still": Rule(
        "deliver nothing after standing still", histories.a_gateway_delivers_before_it_knows_what_it_lost
    ),
    "an open account takes no hold back": Rule(
        (Edit("checkpoint.lua", "state_of(account) ~= 'open' and "),),
        histories.a_stream_comes_back_when_its_account_is_open_again,
    ),
    "what the ledger ended stays ended": Rule(
        (Edit("mirror.lua", "  remember(done, posted_revision, remember_ms)"),),
        histories.a_swept_stream_comes_back_before_the_account_opens,
    ),
    "sweep after a lease of listening": Rule(
        "sweep only after a lease of listening", histories.a_hold_in_an_older_file_looks_stale
    ),
    "confirmed is what Redis has heard of": Rule(
        (Edit("confirmed.lua", "heard_of and "),), histories.a_lost_settlement_is_asked_about
    ),
}

Machine = type[LostRedis]


@pytest.fixture
def account_in(redis_url: str) -> Iterator[Callable[[Path, frozenset[str]], Machine]]:
    """The machine, run on the scripts of a folder and with the duties given."""
    worlds: list[World] = []

    def make(folder: Path, duties: frozenset[str]) -> Machine:
        worlds.append(World(redis_url, folder))
        return type("LostRedisHere", (LostRedis,), {"world": worlds[-1], "duties": duties})

    yield make
    for world in worlds:
        world.close()


AccountIn = Callable[[Path, frozenset[str]], Machine]


def play(machine: Machine, history: History) -> None:
    account = machine()
    account.begin(paid=100, trial=0)
    history(account)
    account.nothing_is_generated_that_was_not_granted()
    account.counters_are_sums()
    account.teardown()


def test_no_history_generates_what_was_not_granted(account_in: AccountIn) -> None:
    run_state_machine_as_test(account_in(SCRIPTS_FOLDER, DUTIES), settings=HISTORIES)


def test_with_all_rules_every_history_goes_well(account_in: AccountIn) -> None:
    machine = account_in(SCRIPTS_FOLDER, DUTIES)
    for rule in RULES.values():
        play(machine, rule.history)


@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_needed(account_in: AccountIn, tmp_path: Path, name: str) -> None:
    rule, folder = RULES[name], copytree(SCRIPTS_FOLDER, tmp_path / "scripts")
    if isinstance(rule.without, str):
        duties = DUTIES - {rule.without}
        assert duties != DUTIES
    else:
        duties = DUTIES
        for edit in rule.without:
            take_out(edit, folder)
    with pytest.raises(AssertionError):
        play(account_in(folder, duties), rule.history)
    print(f"without {name!r}: {rule.history.__name__} goes wrong")  # noqa: T201


def take_out(edit: Edit, folder: Path) -> None:
    script = folder / edit.script
    assert script.read_text().count(edit.text) == 1
    script.write_text(script.read_text().replace(edit.text, edit.without))
