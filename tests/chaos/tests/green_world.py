"""A small run in which all is well: one account, two answers, a purchase, a mail. Each test breaks one thing of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.admission.inspected import EndingGrant, Inspected
from shared.ids import AccountId
from tests.chaos.checker.facts import AtProvider, Book, Entry, Facts, Grant, Mail, Order, Usage
from tests.chaos.history import Asked, Changed, Ordered, Registered, Revoked, Tried
from tests.chaos.upstream import Generated

ME = "Ab3dEf7h"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
TRIAL, PAID = "trial-grant", "paid-grant"
ORDER = "order-1"

GENERATED = Generated(
    f"{ME}-1", is_stream=True, tokens_prompt=6, tokens_completion=10, said=10, is_whole=True, breaks=False
)
LEFT = Generated(
    f"{ME}-2", is_stream=True, tokens_prompt=7, tokens_completion=5, said=5, is_whole=False, breaks=False
)
HEARD = Asked(f"{ME}-1", "/v1/chat/completions", True, "gateway", 6, 1.0, 2.0, 200, 10, "done", "request-1")
HUNG_UP = Asked(f"{ME}-2", "/v1/chat/completions", True, "gateway", 7, 2.0, 3.0, 200, 3, "left", "request-2")
ROW = Usage("request-1", ME, 6, 10, 0, "completed", False, 1, 16)
LEFT_ROW = Usage("request-2", ME, 7, 4, 0, "client_disconnected", True, 1, 11)
TRIAL_GRANT = Grant(TRIAL, ME, "trial", f"trial:{ME}", 100, 73, AT + timedelta(days=7), AT, is_frozen=False)
PAID_GRANT = Grant(PAID, ME, "purchase", f"purchase:{ORDER}", 5000, 5000, None, AT, is_frozen=False)
ENTRIES = (
    Entry(1, ME, TRIAL, "grant", 100, None, None, None),
    Entry(2, ME, PAID, "grant", 5000, None, None, None),
    Entry(3, ME, TRIAL, "usage", -16, "request-1", 1, AT),
    Entry(4, ME, TRIAL, "usage", -11, "request-2", 1, AT),
)
IN_REDIS = Inspected(
    state="open",
    at_ms=0,
    version=5,
    posted=5000,
    held=0,
    journalled=0,
    grants={TRIAL: EndingGrant(73, 9)},
    running={},
    holds={},
    journal={},
    unleased=frozenset(),
)


def green(**changes: Any) -> Facts:
    world = Facts(
        asked=(HEARD, HUNG_UP),
        revoked=(Revoked("sk-one", 10.0),),
        tried=(Tried("sk-one", 9.0, 200), Tried("sk-one", 11.5, 401)),
        registered=(Registered("ada@example.com", 0.5),),
        ordered=(Ordered(ORDER, "cs_1", "stripe", ME, 4.0),),
        changed=(Changed("change-1", ME, 500, is_done=True, at=5.0),),
        generations=(GENERATED, LEFT),
        usage=(ROW, LEFT_ROW),
        entries=ENTRIES,
        grants=(TRIAL_GRANT, PAID_GRANT),
        books=(Book(ME, 5073, 5, owed=0, was_reversed=False, was_frozen=False, tokens_frozen=0),),
        in_redis={AccountId(ME): IN_REDIS},
        lowest={ME: 5000},
        orders=(Order(ORDER, ME, "stripe", "cs_1", 5000, 50, "paid", 0, is_frozen=False),),
        at_provider={"cs_1": AtProvider("cs_1", is_paid=True, lost_cents=0, has_open_dispute=False)},
        hooks_taken=frozenset({"evt_1"}),
        hooks_kept=frozenset({"evt_1"}),
        emails=frozenset({"ada@example.com"}),
        adjustments={"change-1": 500},
        tidings={"event-1": "accounts.key_issued.v1"},
        mails=(Mail("event-1", "key", "sent", 1),),
        waiting={"metering outbox": 0, "leases": 0},
    )
    return replace(world, **changes)
