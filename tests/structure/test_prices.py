"""One price list in two services: billing charges by its own, accounts shows one, and neither imports the other."""

from services.accounts.domain import packs as shown
from services.billing.domain import packs as charged


def test_what_is_shown_is_what_is_charged() -> None:
    assert [(pack.pack_id, pack.tokens, pack.price_cents) for pack in shown.PACKS] == [
        (pack.pack_id, pack.tokens, pack.price_cents) for pack in charged.PACKS
    ]
