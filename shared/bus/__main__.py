"""`python -m shared.bus parked` lists what is parked; `python -m shared.bus replay [service [event]]` puts it back.

AMQP_URL comes from the environment. No content of a message is printed.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from pydantic_settings import BaseSettings

from shared import logging
from shared.bus.connection import Connection
from shared.bus.parked import EVENT_ID, list_parked, replay
from shared.bus.parked_table import table
from shared.bus.publisher import Publisher
from shared.bus.topology import TOPOLOGY
from shared.clock import utc_now
from shared.errors import Unavailable
from shared.setting_values import AmqpUrl
from shared.settings import load

SERVICES = tuple(TOPOLOGY.bindings)
USAGE = f"usage: python -m shared.bus parked | replay [{'|'.join(SERVICES)} [EVENT]]\n"


class Settings(BaseSettings):
    amqp_url: AmqpUrl


def main(arguments: list[str]) -> int:
    match arguments:
        case ["parked"]:
            return _run(_print_parked)
        case ["replay"]:
            return _run(lambda connection: _replay(connection, SERVICES, None))
        case ["replay", service] if service in SERVICES:
            return _run(lambda connection: _replay(connection, (service,), None))
        case ["replay", service, event_id] if service in SERVICES and EVENT_ID.fullmatch(event_id):
            return _run(lambda connection: _replay(connection, (service,), event_id))
    sys.stderr.write(USAGE)
    return 2


def _run(action: Callable[[Connection], Awaitable[int]]) -> int:
    try:
        return asyncio.run(_connected(action))
    except Unavailable as error:
        sys.stderr.write(f"{error.message}\n")
        return 1


async def _connected(action: Callable[[Connection], Awaitable[int]]) -> int:
    connection = Connection(load(Settings).amqp_url, "promptly-operator")
    try:
        return await action(connection)
    finally:
        await connection.close()


async def _print_parked(connection: Connection) -> int:
    places = [await list_parked(connection, service, TOPOLOGY) for service in SERVICES]
    sys.stdout.write(table(places, utc_now()))
    return 0


async def _replay(connection: Connection, services: Sequence[str], event_id: str | None) -> int:
    """1 when the one event that was asked for is not there."""
    count = 0
    for service in services:
        count = await replay(connection, Publisher(connection), service, event_id=event_id)
        sys.stdout.write(f"{TOPOLOGY.work_queue(service)}: {count} put back\n")
    return 0 if count or event_id is None else 1


if __name__ == "__main__":
    logging.configure("operator", "critical")
    raise SystemExit(main(sys.argv[1:]))
