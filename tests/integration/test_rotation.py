"""The internal token is changed while the system runs: at each step the services understand each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx

from deploy.local.processes import ProcessSpec
from tests.support.person import Person
from tests.support.stack import Stack

NEW = "the-new-internal-token"
ASKS, ANSWERS = "gateway", "metering"


async def told(stack: Stack, service: str, tokens: str) -> None:
    """Restarted with that INTERNAL_TOKEN; ready when this returns."""

    def change(spec: ProcessSpec) -> ProcessSpec:
        return replace(spec, environment={**spec.environment, "INTERNAL_TOKEN": tokens})

    await asyncio.to_thread(stack.live.supervisor.restart_as, service, change)
    await asyncio.to_thread(stack.live.supervisor.wait_ready, service)


@asynccontextmanager
async def put_back(stack: Stack) -> AsyncIterator[str]:
    """Yields the token of before."""
    old = stack.secret("INTERNAL_TOKEN")
    try:
        yield old
    finally:
        await told(stack, ANSWERS, old)
        await told(stack, ASKS, old)


async def test_the_internal_token_is_rotated_without_downtime(stack: Stack, person: Person) -> None:
    await person.register()
    request_id = (await person.ask()).headers["x-request-id"]

    async def is_understood() -> bool:
        """The gateway asks the ledger for each of these."""
        async with person.client() as client:
            return (await client.get(f"/v1/usage/{request_id}")).status_code == 200

    async def is_let_in(token: str) -> bool:
        async with httpx.AsyncClient(base_url=stack.private_url(ANSWERS)) as client:
            path = f"/internal/accounts/{person.key[3:11]}/usage/requests/{request_id}"
            reply = await client.get(path, headers={"authorization": f"Bearer {token}"})
            assert reply.status_code in (200, 403), reply.text
            return reply.status_code == 200

    async with put_back(stack) as old:
        await told(stack, ANSWERS, f"{old},{NEW}")  # first all accept both, and send the old one
        assert [await is_understood(), await is_let_in(old), await is_let_in(NEW)] == [True, True, True]
        await told(stack, ASKS, f"{NEW},{old}")  # then all send the new one
        assert await is_understood()
        await told(stack, ANSWERS, NEW)  # then nobody accepts the old one
        assert [await is_understood(), await is_let_in(old), await is_let_in(NEW)] == [True, False, True]
