"""Makes up for events that a provider gave up on."""

import httpx

from tests.chaos.system import Chaos


async def reconcile(chaos: Chaos) -> None:
    """As `make reconcile` does, and billing by itself every few minutes."""
    headers = {"authorization": f"Bearer {chaos.secrets['INTERNAL_TOKEN']}"}
    async with httpx.AsyncClient(base_url=chaos.url("billing"), headers=headers, timeout=60) as client:
        reply = await client.post("/internal/reconcile")
        assert reply.status_code == 200, reply.text
