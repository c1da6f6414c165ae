"""The checker is itself checked: in a run in which all is well one thing is broken, and it names the invariant."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.admission.inspected import Journalled
from shared.ids import AccountId, RequestId
from tests.chaos.checker.facts import AtProvider, Entry, Facts, Mail
from tests.chaos.checker.verdict import CHECKS, judge
from tests.chaos.experiments import EXPERIMENTS
from tests.chaos.history import Fault, Tried
from tests.chaos.rebuild import unlike_the_ledger
from tests.chaos.tests.green_world import (
    AT,
    ENTRIES,
    GENERATED,
    HEARD,
    HUNG_UP,
    IN_REDIS,
    LEFT,
    LEFT_ROW,
    ME,
    PAID,
    PAID_GRANT,
    ROW,
    TRIAL_GRANT,
    green,
)

WORLD = green()
BOOK, ORDER = WORLD.books[0], WORLD.orders[0]
UNPAID = {"cs_1": AtProvider("cs_1", is_paid=False, lost_cents=0, has_open_dispute=False)}
HALF_REFUNDED = {"cs_1": AtProvider("cs_1", is_paid=True, lost_cents=25, has_open_dispute=False)}
A_MOMENT = Fault("kill -9", "redis", 5.0, 8.0)


def in_redis(**changes: Any) -> dict[AccountId, Any]:
    return {AccountId(ME): replace(IN_REDIS, **changes)}


PLANTED: dict[str, tuple[str, Facts]] = {
    "an entry that nobody made": (
        "I1",
        green(entries=(*ENTRIES, Entry(5, ME, PAID, "usage", -1, None, None, None))),
    ),
    "a balance that is not its entries": ("I1", green(books=(replace(BOOK, balance=5072),))),
    "a charge that was not entered": ("I1", green(usage=(replace(ROW, tokens_posted=15), LEFT_ROW))),
    "tokens without cover": (
        "I2",
        green(usage=(replace(ROW, tokens_uncollected=3, tokens_posted=13), LEFT_ROW)),
    ),
    "less than nothing free in Redis": ("I2", green(lowest={ME: -1})),
    "more running than a frozen purchase covers": (
        "I2",
        green(books=(replace(BOOK, was_frozen=True, tokens_frozen=5000),), lowest={ME: -5001}),
    ),
    "a request let in where nothing was free": (
        "I2",
        green(uncovered=(f"{ME}: request-3 was let in where -16 were free",)),
    ),
    "tokens without cover while a purchase was frozen": (
        "I2",
        green(
            books=(replace(BOOK, was_frozen=True, tokens_frozen=5000),),
            usage=(replace(ROW, tokens_uncollected=3, tokens_posted=13), LEFT_ROW),
        ),
    ),
    "a generation without a row": ("I3", green(usage=(ROW,))),
    "a generation charged twice": ("I3", green(usage=(ROW, LEFT_ROW, replace(ROW, request_id="request-3")))),
    "another amount than was generated": ("I3", green(usage=(replace(ROW, tokens_completion=9), LEFT_ROW))),
    "less than the client received": ("I3", green(usage=(ROW, replace(LEFT_ROW, tokens_completion=2)))),
    "more than was generated for who left": (
        "I3",
        green(usage=(ROW, replace(LEFT_ROW, tokens_completion=6))),
    ),
    "a row without a generation": ("I4", green(generations=(LEFT,))),
    "a hold that never ends": ("I5", green(in_redis=in_redis(held=9))),
    "a lease that never ends": ("I5", green(waiting={"leases": 1})),
    "Redis has more than the ledger": ("I6", green(in_redis=in_redis(posted=5016))),
    "a journal that stays": (
        "I6",
        green(in_redis=in_redis(journalled=16, journal={RequestId("request-1"): Journalled(1, 16)})),
    ),
    "an account that stays closed": ("I6", green(in_redis=in_redis(state="closed"))),
    "an order paid and not credited": ("I7", green(grants=(TRIAL_GRANT,))),
    "an order credited twice": ("I7", green(grants=(TRIAL_GRANT, PAID_GRANT, PAID_GRANT))),
    "an order credited and never paid": ("I7", green(at_provider=UNPAID)),
    "another amount than was ordered": ("I7", green(grants=(TRIAL_GRANT, replace(PAID_GRANT, tokens=4999)))),
    "a credit that nobody ordered": (
        "I7",
        green(grants=(TRIAL_GRANT, PAID_GRANT, replace(PAID_GRANT, source="purchase:nothing"))),
    ),
    "a refund that was not followed": ("I8", green(at_provider=HALF_REFUNDED)),
    "a reversal that is not the provider's": ("I8", green(orders=(replace(ORDER, tokens_to_reverse=5000),))),
    "a dispute over, and still frozen": ("I8", green(orders=(replace(ORDER, is_frozen=True),))),
    "an answer that the ledger does not know": (
        "I9",
        green(asked=(replace(HEARD, request_id="another"), HUNG_UP)),
    ),
    "an acknowledged webhook that nobody has": ("I9", green(hooks_kept=frozenset())),
    "a registration that nobody has": ("I9", green(emails=frozenset())),
    "an order that nobody has": ("I9", green(orders=())),
    "a change that was done and not entered": ("I9", green(adjustments={})),
    "a change that was entered twice over": ("I9", green(adjustments={"change-1": 1000})),
    "an event left in an outbox": ("I10", green(waiting={"metering outbox": 1})),
    "a grant that has ended and stays": ("I10", green(waiting={"grants to expire": 1})),
    "a replay that changes something": ("I11", green(after_replay=("usage: 3 rows more",))),
    "a revoked key that is let in": ("I12", green(tried=(Tried("sk-one", 11.5, 200),))),
    "paid tokens burned before the trial's": (
        "I13",
        green(entries=(*ENTRIES[:3], replace(ENTRIES[3], grant_id=PAID))),
    ),
    "a key without a mail": ("I14", green(mails=())),
    "a mail never accepted": ("I14", green(mails=(Mail("event-1", "key", "sent", 0),))),
    "a mail refused without a reason": ("I14", green(mails=(Mail("event-1", "key", "refused", 0),))),
    "a secret in a log": ("I15", green(leaks=("ADMIN_KEY lies in logs: gateway.log",))),
    "a role beyond its schema": ("I16", green(trespasses=("billing may enter metering",))),
    "a row of the ledger that changed": ("I17", green(changed_rows=("entry 3 is not what it was",))),
    "a rebuilt Redis with another balance": ("I18", green(after_rebuild=(f"{ME}: 5073 before, 5000 after",))),
}


def test_where_all_is_well_nothing_is_named() -> None:
    assert judge(WORLD) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_named(fault: str) -> None:
    invariant, facts = PLANTED[fault]
    assert invariant in {violation.invariant for violation in judge(facts)}


def test_there_is_a_planted_fault_for_every_invariant() -> None:
    assert {invariant for invariant, _ in PLANTED.values()} == set(CHECKS)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.name)
def test_each_experiment_names_the_planted_faults_that_it_would_have_found(experiment: Any) -> None:
    named = experiment.shown_by.split("; ")
    assert set(named) <= set(PLANTED)


def test_a_stream_of_a_dead_gateway_may_be_charged_by_its_last_checkpoint_and_no_more() -> None:
    lost = replace(LEFT_ROW, outcome="lost", tokens_completion=1, tokens_posted=8)
    entries = (*ENTRIES[:3], replace(ENTRIES[3], tokens=-8))
    known = green(
        usage=(ROW, lost),
        entries=entries,
        grants=(replace(TRIAL_GRANT, remaining=76), PAID_GRANT),
        books=(replace(BOOK, balance=5076),),
        in_redis=in_redis(posted=5003),
    )
    assert judge(known) == []
    assert judge(replace(known, usage=(ROW, replace(lost, tokens_completion=6, tokens_posted=13)))) != []


def test_an_answer_that_nobody_received_may_be_uncharged_only_where_a_fault_excuses_it() -> None:
    unheard = replace(HUNG_UP, delivered=0)
    whole = replace(LEFT, is_whole=True)
    facts = green(
        usage=(ROW,),
        asked=(HEARD, unheard),
        generations=(GENERATED, whole),
        entries=ENTRIES[:3],
        grants=(replace(TRIAL_GRANT, remaining=84), PAID_GRANT),
        books=(replace(BOOK, balance=5084),),
        in_redis=in_redis(posted=5011),
    )
    assert {violation.invariant for violation in judge(facts)} == {"I3"}
    assert judge(replace(facts, spares_gateways=False)) == []


def test_what_runs_on_a_purchase_that_is_frozen_meanwhile_has_its_cover() -> None:
    frozen = replace(BOOK, was_frozen=True, tokens_frozen=5000)
    assert judge(green(books=(frozen,), lowest={ME: -5000})) == []


def test_a_revocation_during_a_fault_is_not_held_against_its_bound() -> None:
    late = green(tried=(Tried("sk-one", 11.5, 200),), faults=(A_MOMENT,))
    assert judge(late) == []


def test_an_account_that_a_rebuilt_redis_lacks_is_named() -> None:
    assert list(unlike_the_ledger(WORLD)) == []
    assert list(unlike_the_ledger(green(in_redis=in_redis(state="absent")))) == [f"{ME} did not come back"]


def test_an_expired_grant_need_not_go_first() -> None:
    ended = replace(TRIAL_GRANT, expires_at=AT - timedelta(seconds=1))
    entries = (*ENTRIES[:3], replace(ENTRIES[3], grant_id=PAID))
    facts = green(grants=(ended, PAID_GRANT), entries=entries)
    assert "I13" not in {violation.invariant for violation in judge(facts)}
