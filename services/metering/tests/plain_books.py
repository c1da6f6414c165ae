"""What the books of one account must say, kept in the plainest way; and what they do say, from their rows."""

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId
from shared.postgres import Pool


@dataclass
class PlainAccount:
    """`granted` and `deducted` are what was given and taken by hand; of a request the latest revision counts."""

    account_id: AccountId
    granted: int = 0
    deducted: int = 0
    requests: dict[UUID, UsageRecord] = field(default_factory=dict)

    def use(self, record: UsageRecord) -> None:
        known = self.requests.get(record.request_id)
        if known is None or known.revision < record.revision:
            self.requests[record.request_id] = record

    @property
    def tokens_used(self) -> int:
        return sum(record.tokens for record in self.requests.values())


@dataclass(frozen=True)
class Rows:
    """Sums over the account's rows, none of them a stored sum, but for `balance`, `remaining` and `days`."""

    balance: int
    remaining: int
    entries: dict[str, int]
    charged: dict[UUID, int]
    uncollected: dict[UUID, int]
    days: tuple[int, int]
    reversed_too_much: int
    burned_too_late: int
    owed: int

    def assert_it_is(self, plain: PlainAccount) -> None:
        self._assert_it_adds_up()
        assert self.entries["grant"] == plain.granted
        assert -self.entries["adjustment"] == plain.deducted
        for request_id, record in plain.requests.items():
            paid = self.charged.get(request_id, 0) + self.uncollected[request_id]
            assert paid == record.tokens, (record, self.charged.get(request_id), self.uncollected)
        assert self.uncollected.keys() == plain.requests.keys()
        assert self.days == (len(plain.requests), plain.tokens_used)

    def _assert_it_adds_up(self) -> None:
        assert self.balance == sum(self.entries.values()) == self.remaining >= 0
        collected = -self.entries["usage"] - self.entries["correction"]
        assert collected == sum(self.charged.values()) >= 0
        assert self.entries["expiry"] <= 0
        assert self.entries["reversal"] <= 0
        assert self.reversed_too_much == self.burned_too_late == 0


async def read_rows(pool: Pool, account_id: AccountId) -> Rows:
    entries = await pool.fetch(
        "SELECT kind, request_id, tokens FROM entries WHERE account_id = $1", account_id
    )
    by_kind, by_request = defaultdict[str, int](int), defaultdict[UUID, int](int)
    for row in entries:
        by_kind[row["kind"]] += row["tokens"]
        if row["request_id"] is not None:
            by_request[row["request_id"]] -= row["tokens"]
    latest = await pool.fetch(
        """
        SELECT DISTINCT ON (request_id) request_id, tokens_uncollected FROM usage
        WHERE account_id = $1 ORDER BY request_id, revision DESC
        """,
        account_id,
    )
    sums = await pool.fetchrow(
        """
        SELECT balance,
            (SELECT coalesce(sum(remaining), 0) FROM grants WHERE account_id = $1)::bigint AS remaining,
            (SELECT coalesce(sum(requests), 0) FROM daily_usage WHERE account_id = $1)::bigint AS requests,
            (SELECT coalesce(sum(tokens_prompt + tokens_completion), 0) FROM daily_usage
             WHERE account_id = $1)::bigint AS tokens,
            (SELECT count(*) FROM purchases JOIN grants USING (grant_id)
             WHERE purchases.account_id = $1 AND (
                 tokens_reversed > least(tokens_to_reverse, tokens)
                 OR tokens_reversed <> (SELECT coalesce(-sum(entries.tokens), 0) FROM entries
                     WHERE entries.purchase_id = purchases.purchase_id)
             )) AS reversed_too_much,
            (SELECT count(*) FROM entries JOIN grants USING (grant_id) JOIN usage USING (request_id, revision)
             WHERE entries.account_id = $1 AND entries.tokens < 0 AND usage.admitted_at >= expires_at
            ) AS burned_too_late,
            (SELECT coalesce(sum(least(tokens_to_reverse, tokens) - tokens_reversed), 0)
             FROM purchases JOIN grants USING (grant_id) WHERE purchases.account_id = $1)::bigint AS owed
        FROM accounts WHERE account_id = $1
        """,
        account_id,
    )
    assert sums is not None
    return Rows(
        balance=sums["balance"],
        remaining=sums["remaining"],
        entries=by_kind,
        charged=by_request,
        uncollected={row["request_id"]: row["tokens_uncollected"] for row in latest},
        days=(sums["requests"], sums["tokens"]),
        reversed_too_much=sums["reversed_too_much"],
        burned_too_late=sums["burned_too_late"],
        owed=sums["owed"],
    )
