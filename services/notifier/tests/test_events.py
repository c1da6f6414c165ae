"""Every event the notifier is bound to is understood, also those that have no mail: none may be parked."""

from base64 import b64encode
from pathlib import Path
from uuid import uuid4

import pytest

from services.notifier.entrypoints.events import Events
from shared.bus.topology import TOPOLOGY
from shared.contracts.accounts import (
    AccountDeleted,
    AccountRegistered,
    Addressed,
    KeyIssued,
    RecoveryRequested,
)
from shared.contracts.billing import PurchaseFrozen, PurchaseReleased
from shared.contracts.envelope import Envelope
from shared.postgres import open_pool
from shared.sealing import CannotUnseal, new_key_pair, unseal
from tests.support.search_everywhere import tables_with
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


def of_account(account_id: str, event_type: str) -> Envelope:
    golden = Envelope.from_json((GOLDEN / f"{event_type}.json").read_bytes())
    return golden.model_copy(update={"id": uuid4(), "data": {**golden.data, "account_id": account_id}})


@pytest.mark.parametrize("kind", [AccountRegistered, KeyIssued, RecoveryRequested])
async def test_what_was_parked_and_put_back_after_its_account_was_deleted_names_nobody(
    kind: type[Addressed], database: DatabaseFactory
) -> None:
    """In the broker, where nobody can erase it, its address is sealed; opened at last, it is not kept."""
    deleted, other = uuid4().hex[:8], uuid4().hex[:8]
    parked = of_account(deleted, kind.TYPE)
    address = unseal(GOLDEN_PRIVATE_KEY, str(parked.data["sealed_email"]))
    assert address not in parked.to_json().decode()
    url = (await database("notifier")).url
    async with await open_pool(url, service="notifier") as pool:
        await pool.execute("DELETE FROM mails; DELETE FROM addressees")
        _, strangers_key = new_key_pair()
        with pytest.raises(CannotUnseal):
            await Events(pool, private_keys=(strangers_key,), wake=print).handle(parked)
        events = Events(pool, private_keys=(GOLDEN_PRIVATE_KEY,), wake=print)
        await events.handle(of_account(deleted, AccountDeleted.TYPE))
        await events.handle(parked)
        assert await tables_with(address, url, ["notifier"]) == []
        await events.handle(of_account(other, kind.TYPE))
        assert await tables_with(address, url, ["notifier"]) != [], (
            "that of an account that is there is found"
        )
