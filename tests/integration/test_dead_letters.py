"""A message that can never be handled, in the running system: listed without what it says, put back, parked again."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from shared.bus.publisher import message_of
from shared.bus.topology import TOPOLOGY
from shared.clock import utc_now
from shared.contracts.accounts import KeyIssued
from shared.contracts.envelope import Envelope
from shared.ids import new_uuid7
from tests.support.eventually import eventually
from tests.support.stack import Stack

PARKED = TOPOLOGY.parked_queue("notifier")
PERSON = "ada-of-the-dead-letters@example.com"


@pytest.fixture
async def channel(stack: Stack) -> AsyncIterator[AbstractChannel]:
    """Leaves the parking place as empty as it was."""
    async with await aio_pika.connect(stack.backing.amqp) as connection:
        channel = await connection.channel()
        yield channel
        await (await channel.get_queue(PARKED)).purge()


async def command(stack: Stack, *words: str) -> str:
    """What `make parked` and `make replay` run."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.bus", *words),
        env={**os.environ, "AMQP_URL": stack.backing.amqp},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return said.decode()


def poison() -> Envelope:
    """A key that somebody published without what makes it one."""
    return Envelope(
        id=new_uuid7(),
        source="/accounts",
        type=KeyIssued.TYPE,
        subject="Ab3dE5gH",
        time=utc_now(),
        data={"email": PERSON, "sealed_key": "canary"},
    )


async def count_parked(channel: AbstractChannel) -> int:
    queue = await channel.declare_queue(PARKED, passive=True)
    return queue.declaration_result.message_count or 0


async def test_poison_is_listed_put_back_one_by_one_and_parked_again(
    stack: Stack, channel: AbstractChannel
) -> None:
    exchange = await channel.get_exchange(TOPOLOGY.exchange)
    wrong, other = poison(), poison()
    before = await count_parked(channel)

    async def both_are_parked() -> bool:
        return await count_parked(channel) == before + 2

    for each in (wrong, other):
        await exchange.publish(message_of(each), each.type)
    await eventually(both_are_parked, within_seconds=10)
    listed = await command(stack, "parked")
    [line] = [line.split() for line in listed.splitlines() if str(wrong.id) in line]
    assert line[:4] == [PARKED, str(wrong.id), wrong.type, "Ab3dE5gH"]
    assert "ValidationError" in line
    assert str(other.id) in listed
    assert PERSON not in listed
    assert "canary" not in listed

    assert await command(stack, "replay", "notifier", str(wrong.id)) == "notifier.work: 1 put back\n"
    await eventually(both_are_parked, within_seconds=10)
    assert f"notifier.work: {before + 2} put back\n" in await command(stack, "replay")
    await eventually(both_are_parked, within_seconds=10)
