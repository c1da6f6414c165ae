"""What metering answers to the others over internal HTTP, both ends from the same classes.

All under `/internal/accounts/{account_id}` unless a docstring says otherwise. Tokens are the unit."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.contracts.gateway import Outcome
from shared.contracts.internal.message import Message

ACCOUNTS_PER_REQUEST_MAX = 200
ROWS_PER_PAGE_MAX = 1000
TOKENS_PER_CHANGE_MAX = 10**14
"""Of an operator at once: far beyond any pack, and Redis counts exactly below 2**53."""


class MirrorReply(Message):
    """`POST /mirror`, 202: Redis has the account, still closed after a loss. Ask again in so many milliseconds;
    nobody else opens it. (204: it is open. 404: the ledger does not know it.)"""

    opens_in_ms: int = Field(ge=1)


class BalanceReply(Message):
    """`GET /balance`: the posted balance. `available` = paid + trial (if it has not ended), at least 0;
    `frozen` is what a dispute keeps from being spent, and is in neither of them."""

    account_id: str
    available: int
    paid: int
    trial: int
    trial_expires_at: AwareDatetime | None
    debt: int
    frozen: int = 0


class UsageDay(Message):
    """One UTC day of one account."""

    day: date
    requests: int
    tokens_prompt: int
    tokens_completion: int


class UsageReply(Message):
    """`GET /usage?days=`: daily totals, newest first; days without usage are absent."""

    days: tuple[UsageDay, ...]


GroupBy = Literal["day", "model", "key"]


class UsageRow(Message):
    """Totals of one group: `group` is the UTC day (ISO 8601), the model's name, or the key's id."""

    group: str
    requests: int
    tokens_prompt: int
    tokens_completion: int
    tokens_cached: int


class UsageReport(Message):
    """`GET /usage/report?group_by=day|model|key&since=&until=&cursor=&limit=`: UTC instants, `since` inside and
    `until` outside; days newest first, models and keys by name. `next_cursor` is opaque and None at the end;
    it brings its own `since` and `until`."""

    group_by: GroupBy
    since: AwareDatetime
    until: AwareDatetime
    rows: tuple[UsageRow, ...]
    next_cursor: str | None


class Receipt(Message):
    """One request as it was posted at its latest revision. No content of it, ever. `tokens_charged` is what grants
    paid; `estimated`: not the model server's own count."""

    request_id: UUID
    account_id: str
    key_id: str
    endpoint: str
    model: str
    tokens_prompt: int
    tokens_completion: int
    tokens_cached: int
    tokens_charged: int
    outcome: Outcome
    estimated: bool
    revision: int
    admitted_at: AwareDatetime
    ended_at: AwareDatetime


class ReceiptPage(Message):
    """`GET /usage/requests?since=&until=&key_id=&model=&cursor=&limit=`: newest first. `next_cursor` brings its own
    `since` and `until`."""

    since: AwareDatetime
    until: AwareDatetime
    receipts: tuple[Receipt, ...]
    next_cursor: str | None


class ReceiptReply(Message):
    """`GET /usage/requests/{request_id}?signed=true|false`; 404 when nothing of that id is posted for the account.

    `payload` is the exact text that was signed (the receipt as canonical JSON), `signature` Ed25519 over its UTF-8
    bytes in base64, `public_key_id` names the key; all three None when no signature was asked for."""

    receipt: Receipt
    payload: str | None = None
    signature: str | None = None
    public_key_id: str | None = None


class ReceiptKey(Message):
    """`GET /internal/receipts/public-key`: SubjectPublicKeyInfo as PEM."""

    public_key_id: str
    public_key_pem: str


class AdjustRequest(Message):
    """`POST /adjust`: an operator's change of the paid balance. The same `adjustment_id` is done once.
    200 BalanceReply; 400 (`insufficient_balance`) when a deduction is more than is available; 404 unknown."""

    adjustment_id: UUID
    delta: int = Field(ge=-TOKENS_PER_CHANGE_MAX, le=TOKENS_PER_CHANGE_MAX)
    reason: str = Field(min_length=1, max_length=500)


class GrantRequest(Message):
    """`POST /grants`: tokens that end, given by an operator. The same `grant_id` gives once. 200 BalanceReply."""

    grant_id: UUID
    tokens: int = Field(gt=0, le=TOKENS_PER_CHANGE_MAX)
    expires_at: AwareDatetime
    reason: str = Field(min_length=1, max_length=500)


class GrantSeen(Message):
    grant_id: UUID
    kind: str
    source: str
    tokens: int
    remaining: int
    frozen: bool
    tokens_to_reverse: int = 0
    """Of a purchase: how much of it billing has said is reversed, whether or not it is collected yet."""
    expires_at: AwareDatetime | None
    created_at: AwareDatetime
    closed_at: AwareDatetime | None


class GrantsReply(Message):
    """`GET /grants`: newest first, at most ROWS_PER_PAGE_MAX."""

    grants: tuple[GrantSeen, ...]


class EntrySeen(Message):
    entry_id: int
    grant_id: UUID
    kind: str
    tokens: int
    request_id: UUID | None
    reason: str | None
    created_at: AwareDatetime


class EntryPage(Message):
    """`GET /entries?before=&limit=`: newest first; `before` is an entry id, `next_before` None at the end."""

    entries: tuple[EntrySeen, ...]
    next_before: int | None


class AccountsRequest(Message):
    """`POST /internal/balances`: many accounts at once, for a list of them."""

    account_ids: tuple[str, ...] = Field(max_length=ACCOUNTS_PER_REQUEST_MAX)


class AccountTotals(Message):
    """Balance now, and usage of the last 30 UTC days."""

    balance: BalanceReply
    requests: int
    tokens_used: int


class TotalsReply(Message):
    """Answer to AccountsRequest. Accounts that the ledger does not know are absent."""

    accounts: tuple[AccountTotals, ...]


class RankedAccounts(Message):
    """`GET /internal/accounts?order_by=balance|usage&descending=&offset=&limit=`: account ids in that order, as last
    summed up: seconds ago, with 100,000 accounts up to a few minutes. Closed accounts are not among them."""

    account_ids: tuple[str, ...]
    total: int


class SystemTotals(Message):
    """`GET /internal/totals?days=30`: all accounts together, as last summed up (see RankedAccounts)."""

    accounts: int
    tokens_available: int
    tokens_debt: int
    days: tuple[UsageDay, ...]
