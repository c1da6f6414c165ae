"""Does the ledger have what was booked? Compared, never copied."""

from dataclasses import dataclass

from services.billing.domain.orders import Standing


@dataclass(frozen=True, slots=True)
class LedgerGrant:
    """The grant of one purchase: what it gave, what is left in it, whether it is frozen."""

    tokens: int
    remaining: int
    is_frozen: bool


def find_difference(standing: Standing, grant: LedgerGrant | None) -> str | None:
    """In so many words, or None. What was reversed cannot be left in the grant."""
    if grant is None:
        return f"{standing.tokens_credited} tokens were never credited"
    if grant.tokens != standing.tokens_credited:
        return f"{grant.tokens} tokens were credited instead of {standing.tokens_credited}"
    if grant.remaining > standing.tokens_credited - standing.tokens_reversed:
        return f"{standing.tokens_reversed} tokens were to be taken back and are still there"
    if grant.is_frozen != standing.is_frozen:
        return "the pack is not frozen" if standing.is_frozen else "the pack is still frozen"
    return None
