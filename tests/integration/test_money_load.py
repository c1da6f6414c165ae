"""Two thousand mixed requests through four gateways: what was generated is what was charged, token for token."""

import time
from collections.abc import Mapping

from tests.support.fleet import GATEWAYS, Fleet
from tests.support.mixed_load import Mix, Senders
from tests.support.money_in_redis import until_quiet, watched_balances
from tests.support.reconcile import Reconciled, reconcile

REQUESTS = 2000
ACCOUNTS = 40
AT_ONCE = 32
SEED = 20261123


async def test_the_ledger_equals_the_models_own_log(fleet: Fleet) -> None:
    newcomers = await fleet.newcomers(ACCOUNTS)
    began = time.monotonic()
    async with (
        watched_balances(fleet.stack.backing.redis, newcomers) as watch,
        Senders(fleet.urls(), AT_ONCE) as senders,
    ):
        await senders.send_all(Mix(SEED, newcomers, GATEWAYS).calls(REQUESTS))
        sent_seconds = time.monotonic() - began
        await until_quiet(fleet.stack.backing.redis, newcomers)
    reconciled = await reconcile(fleet, newcomers)
    table = _table(senders.answers, reconciled, sent_seconds)
    assert not reconciled.problems, "\n".join([table, *reconciled.problems])
    assert reconciled.outcomes.keys() == {"completed", "client_disconnected", "upstream_failed"}, table
    assert fleet.upstream_log.running() == 0
    assert watch.lowest >= 0, table
    print(table)  # noqa: T201


def _table(answers: Mapping[str, int], reconciled: Reconciled, seconds: float) -> str:
    """What a failure shows, with the seed that repeats it."""
    rows = {
        **dict(sorted(answers.items())),
        **{f"posted as {outcome}": count for outcome, count in reconciled.outcomes.items()},
        "answers generated": reconciled.generations,
        "tokens generated": reconciled.tokens_generated,
        "tokens charged": reconciled.tokens_charged,
        **{
            f"left with {tokens} tokens in flight": count
            for tokens, count in sorted(reconciled.in_flight.items())
        },
    }
    lines = [f"{count:>9,}  {what}" for what, count in rows.items()]
    return "\n".join([f"seed {SEED}, {REQUESTS} requests in {seconds:.1f} s", *lines])
