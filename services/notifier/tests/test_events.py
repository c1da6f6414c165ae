"""Every event the notifier is bound to is understood, also those that have no mail yet: none may be parked."""

from pathlib import Path

import pytest

from services.notifier.entrypoints.events import Events
from shared.bus.topology import TOPOLOGY
from shared.contracts.accounts import KeyIssued
from shared.contracts.envelope import Envelope
from shared.postgres import open_pool
from tests.support.servers import DatabaseFactory

GOLDEN = Path(__file__).parents[3] / "shared" / "contracts" / "golden"
MAILED = {KeyIssued.TYPE}


@pytest.mark.parametrize("event_type", TOPOLOGY.bindings["notifier"])
async def test_an_event_is_understood(event_type: str, database: DatabaseFactory) -> None:
    envelope = Envelope.from_json((GOLDEN / f"{event_type}.json").read_bytes())
    woken: list[str] = []
    async with await open_pool((await database("notifier")).url, service="notifier") as pool:
        await Events(pool, wake=lambda: woken.append(event_type)).handle(envelope)
        assert await pool.fetchval("SELECT count(*) FROM mails") == len(MAILED & {event_type})
    assert set(woken) == MAILED & {event_type}
