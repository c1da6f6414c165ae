"""The price list: what is sold, for how much. An order takes tokens and amount from here, never from outside."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pack:
    """`aliases` are older names that links and programs still use."""

    pack_id: str
    tokens: int
    price_cents: int
    aliases: tuple[str, ...]


CURRENCY = "usd"

PACKS = (
    Pack("starter", tokens=5_000_000, price_cents=50, aliases=("5m",)),
    Pack("standard", tokens=25_000_000, price_cents=200, aliases=("25m",)),
    Pack("pro", tokens=100_000_000, price_cents=600, aliases=("100m",)),
)


def find_pack(name: str) -> Pack | None:
    """By id or alias."""
    return next((pack for pack in PACKS if name == pack.pack_id or name in pack.aliases), None)
