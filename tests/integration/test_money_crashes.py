"""One gateway is killed and one stands still, both in the middle of streams: who pays what, when the dust settles.

Both happen at once, so that the 30 s after which a silent hold is taken for dead are waited for once."""

import asyncio
import signal
from dataclasses import dataclass

import pytest

from tests.support.eventually import eventually
from tests.support.fleet import TRIAL_TOKENS, Fleet
from tests.support.ledger import Account, Ledger, Usage
from tests.support.listening import Listening
from tests.support.money_in_redis import until_quiet
from tests.support.newcomers import Newcomer
from tests.support.orders import order_in

KILLED, STOPPED = "gateway-2", "gateway-3"
ANSWER_TOKENS = 1200
SHORT_ANSWER_TOKENS = 200
"""Complete while its gateway stands still."""
PACE_MS = 50
CHECKPOINTED_SECONDS = 0.6
"""Two intervals and some slack: what was delivered before that is in a checkpoint."""
SWEPT_WITHIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Aftermath:
    killed_at: float
    killed_streams: list[Listening]
    killed_wholes: list[Listening]
    stopped_streams: list[Listening]
    stopped_whole: Listening
    of_killed: dict[int, Usage]
    swept_of_stopped: dict[int, Usage]
    of_stopped: dict[int, Usage]
    accounts: list[Account]


@pytest.fixture(scope="module")
async def aftermath(fleet: Fleet) -> Aftermath:
    killed, stopped = await fleet.newcomers(2)
    ledger = Ledger(fleet.stack.backing.postgres)
    streams = [_listen(fleet, KILLED, killed, stream=True) for _ in range(4)]
    wholes = [_listen(fleet, KILLED, killed, stream=False) for _ in range(2)]
    paused = [_listen(fleet, STOPPED, stopped, stream=True) for _ in range(3)]
    whole = _listen(fleet, STOPPED, stopped, stream=False, tokens=SHORT_ANSWER_TOKENS)
    await eventually(lambda: _under_way(fleet, [*streams, *paused]), within_seconds=10)
    fleet.kill(KILLED)
    killed_at = asyncio.get_running_loop().time()
    fleet.signal(STOPPED, signal.SIGSTOP)
    try:
        await eventually(lambda: _has_rows(ledger, killed, 6), SWEPT_WITHIN_SECONDS)
        await eventually(lambda: _has_rows(ledger, stopped, 4), SWEPT_WITHIN_SECONDS)
        swept = await _by_prompt(ledger, stopped)
    finally:
        fleet.signal(STOPPED, signal.SIGCONT)
    await asyncio.gather(*(each.finished for each in [*streams, *wholes, *paused, whole]))
    await until_quiet(fleet.stack.backing.redis, [killed, stopped])
    await fleet.restart(KILLED)
    return Aftermath(
        killed_at,
        streams,
        wholes,
        paused,
        whole,
        await _by_prompt(ledger, killed),
        swept,
        await _by_prompt(ledger, stopped),
        await ledger.accounts([killed.account_id, stopped.account_id]),
    )


async def test_streams_of_a_killed_gateway_are_charged_by_their_last_checkpoint(aftermath: Aftermath) -> None:
    for stream in aftermath.killed_streams:
        row = aftermath.of_killed[prompt_tokens(stream)]
        assert (row.outcome, row.estimated, row.revision, row.revisions) == ("lost", True, 1, 1)
        delivered = stream.received_before(aftermath.killed_at)
        checkpointed = stream.received_before(aftermath.killed_at - CHECKPOINTED_SECONDS)
        assert 0 < checkpointed <= row.tokens_completion <= delivered + 1


async def test_whole_calls_of_a_killed_gateway_cost_nothing_and_are_told_of(aftermath: Aftermath) -> None:
    for whole in aftermath.killed_wholes:
        assert whole.received_at == []
    lost = [row for row in aftermath.of_killed.values() if row.tokens_completion == 0]
    assert [(row.outcome, row.estimated, row.tokens) for row in lost] == [("lost", True, 0)] * 2


async def test_streams_of_a_gateway_that_stands_still_are_swept_like_those_of_a_dead_one(
    aftermath: Aftermath,
) -> None:
    for stream in aftermath.stopped_streams:
        row = aftermath.swept_of_stopped[prompt_tokens(stream)]
        assert (row.outcome, row.estimated, row.revision) == ("lost", True, 1)
        assert 0 < row.tokens_completion < ANSWER_TOKENS


async def test_when_it_goes_on_it_cuts_them_and_corrects_the_charge_to_what_it_delivered(
    aftermath: Aftermath,
) -> None:
    for stream in aftermath.stopped_streams:
        swept = aftermath.swept_of_stopped[prompt_tokens(stream)]
        row = aftermath.of_stopped[prompt_tokens(stream)]
        assert stream.end == "error"
        assert (row.revision, row.revisions) == (2, 2)
        assert swept.tokens_completion <= row.tokens_completion == len(stream.received_at) < ANSWER_TOKENS


async def test_a_whole_answer_made_while_its_gateway_stood_still_is_withheld_and_costs_nothing(
    fleet: Fleet, aftermath: Aftermath
) -> None:
    """Its hold had been swept: the money may be spent by others since."""
    [made] = fleet.upstream_log.generations(of=order_in(aftermath.stopped_whole.body).name)
    assert made.tokens_completion == SHORT_ANSWER_TOKENS
    assert aftermath.stopped_whole.status == 503
    [row] = [row for row in aftermath.of_stopped.values() if row.tokens == 0]
    assert (row.outcome, row.revision, row.revisions) == ("lost", 1, 1)


async def test_the_books_balance_after_the_correction(aftermath: Aftermath) -> None:
    rows = [*aftermath.of_killed.values(), *aftermath.of_stopped.values()]
    assert all(row.tokens == row.tokens_posted for row in rows)
    for account in aftermath.accounts:
        spent = sum(row.tokens for row in rows if row.account_id == account.account_id)
        assert account.balance == account.tokens_entered == TRIAL_TOKENS - spent


def _listen(
    fleet: Fleet, gateway: str, newcomer: Newcomer, *, stream: bool, tokens: int = ANSWER_TOKENS
) -> Listening:
    body = newcomer.next_body(tokens, stream=stream, tokens=tokens, pace_ms=PACE_MS)
    return Listening(fleet.url(gateway), newcomer, body)


def prompt_tokens(stream: Listening) -> int:
    return 4 + len(stream.body["messages"][0]["content"].split())


async def _under_way(fleet: Fleet, streams: list[Listening]) -> bool:
    return fleet.upstream_log.running() >= 10 and all(len(stream.received_at) >= 30 for stream in streams)


async def _has_rows(ledger: Ledger, newcomer: Newcomer, many: int) -> bool:
    return len(await ledger.usage([newcomer.account_id])) == many


async def _by_prompt(ledger: Ledger, newcomer: Newcomer) -> dict[int, Usage]:
    """The lost whole calls have no tokens: they lie under a prompt of their own, less than none."""
    rows = await ledger.usage([newcomer.account_id])
    return {row.tokens_prompt or -place: row for place, row in enumerate(rows)}
