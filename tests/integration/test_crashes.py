"""A part that dies loses nothing, and the others go on."""

import asyncio

from tests.support.eventually import eventually
from tests.support.person import Person
from tests.support.stack import Stack


async def test_usage_waits_for_a_ledger_that_is_down(stack: Stack, person: Person) -> None:
    await person.register()
    await person.ask()
    before = await person.available()
    stack.kill("metering")
    used = (await person.ask()).json()["usage"]["total_tokens"]
    assert await person.available() == before - used
    await asyncio.to_thread(stack.restart, "metering")

    async def posted() -> bool:
        return f"{before - used:,}" in (await person.dashboard()).text

    await eventually(posted, within_seconds=15)
    assert await person.available() == before - used


async def test_inference_needs_no_accounts_service_once_the_key_is_known(
    stack: Stack, person: Person
) -> None:
    await person.register()
    await person.ask()
    stack.kill("accounts")
    assert (await person.ask()).status_code == 200
    await asyncio.to_thread(stack.restart, "accounts")


async def test_a_gateway_that_is_asked_to_stop_finishes_its_streams(stack: Stack, person: Person) -> None:
    await person.register()
    await person.ask()
    async with person.client() as client:
        story = {
            "messages": [{"role": "user", "content": "Count to fifty."}],
            "max_tokens": 100,
            "stream": True,
        }
        async with client.stream("POST", "/v1/chat/completions", json=story) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            restarting = asyncio.create_task(asyncio.to_thread(stack.restart, "gateway"))
            rest = [line async for line in lines if line]
    await restarting
    assert rest[-1] == "data: [DONE]"
    assert (await person.ask()).status_code == 200
