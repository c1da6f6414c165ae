"""The price list is part of the product: ids, aliases, tokens and amounts."""

import pytest

from services.billing.domain.packs import PACKS, find_pack


@pytest.mark.parametrize(
    ("name", "tokens", "price_cents"),
    [("starter", 5_000_000, 50), ("standard", 25_000_000, 200), ("pro", 100_000_000, 600)],
)
def test_a_pack_has_its_tokens_and_its_price(name: str, tokens: int, price_cents: int) -> None:
    pack = find_pack(name)
    assert pack is not None
    assert (pack.tokens, pack.price_cents) == (tokens, price_cents)


@pytest.mark.parametrize(("alias", "pack_id"), [("5m", "starter"), ("25m", "standard"), ("100m", "pro")])
def test_older_names_still_mean_their_packs(alias: str, pack_id: str) -> None:
    assert find_pack(alias) == find_pack(pack_id)


@pytest.mark.parametrize("name", ["", "Starter", "1000m", "5"])
def test_anything_else_is_no_pack(name: str) -> None:
    assert find_pack(name) is None


def test_no_name_means_two_packs() -> None:
    names = [name for pack in PACKS for name in (pack.pack_id, *pack.aliases)]
    assert len(names) == len(set(names))
