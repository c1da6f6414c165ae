"""Grants end under load, one every second: what was admitted before may burn them, what came later may not."""

import asyncio
from datetime import timedelta

import httpx

from shared.clock import utc_now
from shared.ids import new_uuid7
from tests.chaos.load.crowd import Size
from tests.chaos.scene import Experiment, Scene

TOKENS = 3000
ENDS_AFTER_SECONDS = (2.0, 6.0)
ROUNDS = 4


async def give_and_take(scene: Scene) -> None:
    headers = {"authorization": f"Bearer {scene.chaos.secrets['INTERNAL_TOKEN']}"}
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=scene.chaos.url("metering"), headers=headers, timeout=60, limits=limits
    ) as client:
        for _ in range(ROUNDS):
            async with scene.fault("grants that end", "ledger"):
                await asyncio.gather(
                    *(_give(scene, client, each.account_id) for each in scene.crowd.accounts)
                )
            await scene.pause(2, 4)


async def _give(scene: Scene, client: httpx.AsyncClient, account_id: str) -> None:
    ends_at = utc_now() + timedelta(seconds=scene.random.uniform(*ENDS_AFTER_SECONDS))
    grant = {
        "grant_id": str(new_uuid7()),
        "tokens": TOKENS,
        "expires_at": ends_at.isoformat(),
        "reason": "chaos",
    }
    reply = await client.post(f"/internal/accounts/{account_id}/grants", json=grant)
    assert reply.status_code == 200, reply.text


EXPERIMENT = Experiment(
    name="E21",
    title="grants end while requests hold them",
    nemesis=give_and_take,
    harms_serving=False,
    size=Size(sells=False, clients=16),
    seconds=20,
    shown_by="paid tokens burned before the trial's; tokens without cover",
)
