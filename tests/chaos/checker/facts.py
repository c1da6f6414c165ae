"""Everything a verdict is made of, as plain rows: what the ledger, Redis, the broker, the mail spool, the providers
and the upstream's own log say, and what the clients saw. Nothing here decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.admission.inspected import Inspected
from shared.ids import AccountId
from tests.chaos.history import Asked, Changed, Fault, Ordered, Registered, Revoked, Tried
from tests.chaos.upstream import Generated


@dataclass(frozen=True, slots=True)
class Usage:
    """The last revision of a request. `tokens_posted`: what its entries come to; `rows`: how many rows this
    revision has."""

    request_id: str
    account_id: str
    tokens_prompt: int
    tokens_completion: int
    tokens_uncollected: int
    outcome: str
    estimated: bool
    revision: int
    tokens_posted: int

    @property
    def tokens(self) -> int:
        return self.tokens_prompt + self.tokens_completion


@dataclass(frozen=True, slots=True)
class Entry:
    entry_id: int
    account_id: str
    grant_id: str
    kind: str
    tokens: int
    request_id: str | None
    revision: int | None
    admitted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Grant:
    grant_id: str
    account_id: str
    kind: str
    source: str
    tokens: int
    remaining: int
    expires_at: datetime | None
    created_at: datetime
    is_frozen: bool


@dataclass(frozen=True, slots=True)
class Book:
    """`owed`: to be reversed and not yet taken. `tokens_frozen`: of all purchases that a dispute ever froze."""

    account_id: str
    balance: int
    version: int
    owed: int
    was_reversed: bool
    was_frozen: bool
    tokens_frozen: int


@dataclass(frozen=True, slots=True)
class Order:
    """A row of billing, and what metering has of it; None: nothing."""

    order_id: str
    account_id: str
    method: str
    provider_id: str | None
    tokens: int
    amount_cents: int
    state: str
    tokens_to_reverse: int | None
    is_frozen: bool | None


@dataclass(frozen=True, slots=True)
class AtProvider:
    """What is true at the provider now."""

    provider_id: str
    is_paid: bool
    lost_cents: int
    has_open_dispute: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is owed by an event, and how many times the mail server took it."""

    event_id: str
    kind: str
    state: str
    accepted: int


@dataclass(frozen=True, slots=True)
class Facts:
    """`waiting`: by name, whatever should have come to nothing. `lowest`: per account the least that was ever
    seen to be free in Redis; `uncovered`: who was let in below that; `mails_again`: how often the mail server took one that it had. The last four are found by comparing or searching, and are empty when all is well."""

    asked: tuple[Asked, ...] = ()
    revoked: tuple[Revoked, ...] = ()
    tried: tuple[Tried, ...] = ()
    registered: tuple[Registered, ...] = ()
    ordered: tuple[Ordered, ...] = ()
    changed: tuple[Changed, ...] = ()
    faults: tuple[Fault, ...] = ()
    generations: tuple[Generated, ...] = ()
    usage: tuple[Usage, ...] = ()
    entries: tuple[Entry, ...] = ()
    grants: tuple[Grant, ...] = ()
    books: tuple[Book, ...] = ()
    in_redis: Mapping[AccountId, Inspected] = field(default_factory=dict)
    lowest: Mapping[str, int] = field(default_factory=dict)
    uncovered: tuple[str, ...] = ()
    orders: tuple[Order, ...] = ()
    at_provider: Mapping[str, AtProvider] = field(default_factory=dict)
    hooks_taken: frozenset[str] = frozenset()
    hooks_kept: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    adjustments: Mapping[str, int] = field(default_factory=dict)
    tidings: Mapping[str, str] = field(default_factory=dict)
    mails: tuple[Mail, ...] = ()
    mails_may_be_refused: int = 0
    mails_again: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    changed_rows: tuple[str, ...] = ()
    after_replay: tuple[str, ...] = ()
    after_rebuild: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()
    trespasses: tuple[str, ...] = ()
    spares_gateways: bool = True
    """No fault of the run touched a gateway, Redis or the upstream: then also what nobody received is charged."""
