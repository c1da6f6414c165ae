"""Does the ledger have what was booked? Compared, never copied."""

from dataclasses import dataclass

from services.billing.domain.consequences import Consequence, consequences
from services.billing.domain.orders import Standing


@dataclass(frozen=True, slots=True)
class LedgerGrant:
    """The grant of one purchase: what it gave, how much of it the ledger was told to take back, whether it is frozen."""

    tokens: int
    tokens_reversed: int
    is_frozen: bool


def find_difference(standing: Standing, grant: LedgerGrant | None) -> str | None:
    """In so many words, or None."""
    if grant is None:
        return f"{standing.tokens_credited} tokens were never credited"
    if grant.tokens != standing.tokens_credited:
        return f"{grant.tokens} tokens were credited instead of {standing.tokens_credited}"
    if grant.tokens_reversed != standing.tokens_reversed:
        return f"{grant.tokens_reversed} tokens were taken back instead of {standing.tokens_reversed}"
    if grant.is_frozen != standing.is_frozen:
        return "the pack is not frozen" if standing.is_frozen else "the pack is still frozen"
    return None


def repairs(standing: Standing, grant: LedgerGrant | None) -> tuple[Consequence, ...]:
    """What to tell a ledger that differs, and no more: customers get mails for these. Nothing mends a credit of
    another size."""
    if grant is None:
        return consequences(Standing(), standing)
    as_ledger_has_it = Standing(
        tokens_credited=standing.tokens_credited,
        tokens_reversed=grant.tokens_reversed,
        reversed_for=standing.reversed_for,
        is_frozen=grant.is_frozen,
    )
    return consequences(as_ledger_has_it, standing)
