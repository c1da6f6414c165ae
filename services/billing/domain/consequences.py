"""What the rest of the system is told when an order's standing changes: each fact once, in this order."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.billing.domain.orders import ReversalReason, Standing


@dataclass(frozen=True, slots=True)
class Credited:
    tokens: int


@dataclass(frozen=True, slots=True)
class Reversed:
    """`tokens` is the total so far."""

    tokens: int
    reason: ReversalReason


@dataclass(frozen=True, slots=True)
class Frozen:
    tokens: int


@dataclass(frozen=True, slots=True)
class Released:
    tokens: int


Consequence = Credited | Reversed | Frozen | Released


def consequences(before: Standing, after: Standing) -> tuple[Consequence, ...]:
    return tuple(_differences(before, after))


def _differences(before: Standing, after: Standing) -> Iterator[Consequence]:
    """A reversal ends a freeze: one that goes on is told again."""
    remaining = after.tokens_credited - after.tokens_reversed
    is_reversed_anew = after.tokens_reversed != before.tokens_reversed
    if after.tokens_credited > before.tokens_credited:
        yield Credited(after.tokens_credited)
    if is_reversed_anew:
        yield Reversed(after.tokens_reversed, after.reversed_for or before.reversed_for or "refunded")
    if after.is_frozen and (is_reversed_anew or not before.is_frozen):
        yield Frozen(remaining)
    if before.is_frozen and not after.is_frozen and not is_reversed_anew:
        yield Released(remaining)
