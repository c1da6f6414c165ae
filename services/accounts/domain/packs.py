"""The price list as people see it. billing owns what is really charged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pack:
    pack_id: str
    tokens: int
    price_cents: int

    @property
    def price(self) -> str:
        return f"${self.price_cents / 100:.2f}"

    @property
    def price_per_million(self) -> str:
        return f"${self.price_cents * 10_000 / self.tokens:.2f}"


PACKS = (
    Pack("starter", tokens=5_000_000, price_cents=50),
    Pack("standard", tokens=25_000_000, price_cents=200),
    Pack("pro", tokens=100_000_000, price_cents=600),
)
