"""Every event the notifier is bound to is understood, also those that have no mail: none may be parked."""

from base64 import b64encode
from pathlib import Path

import pytest

from services.notifier.entrypoints.events import Events
from shared.bus.topology import TOPOLOGY
from shared.contracts.accounts import AccountDeleted, AccountRegistered
from shared.contracts.billing import PurchaseFrozen, PurchaseReleased
from shared.contracts.envelope import Envelope
from shared.postgres import open_pool
from tests.support.servers import DatabaseFactory

GOLDEN = Path(__file__).parents[3] / "shared" / "contracts" / "golden"
GOLDEN_PRIVATE_KEY = b64encode(b"the notifier's, in examples only").decode()
"""What the golden examples are sealed to."""
NOT_MAILED = {each.TYPE for each in (AccountRegistered, AccountDeleted, PurchaseFrozen, PurchaseReleased)}
REGISTERED = (GOLDEN / "accounts.account_registered.v1.json").read_bytes()


@pytest.mark.parametrize("event_type", TOPOLOGY.bindings["notifier"])
async def test_an_event_is_understood(event_type: str, database: DatabaseFactory) -> None:
    envelope = Envelope.from_json((GOLDEN / f"{event_type}.json").read_bytes())
    woken: list[str] = []
    async with await open_pool((await database("notifier")).url, service="notifier") as pool:
        await pool.execute("DELETE FROM mails; DELETE FROM inbox")
        events = Events(pool, private_keys=(GOLDEN_PRIVATE_KEY,), wake=lambda: woken.append(event_type))
        if event_type != AccountDeleted.TYPE:
            await events.handle(Envelope.from_json(REGISTERED))
        await events.handle(envelope)
        assert await pool.fetchval("SELECT count(*) FROM mails") == (event_type not in NOT_MAILED)
    assert bool(woken) == (event_type not in NOT_MAILED)
