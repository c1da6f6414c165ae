"""`python -m shared.bus parked` lists what is parked; `python -m shared.bus replay [service]` puts it back.

AMQP_URL comes from the environment. No content of a message is printed.
"""

import asyncio
import sys

from pydantic_settings import BaseSettings

from shared import logging
from shared.bus.connection import Connection
from shared.bus.parked import ParkingPlace, list_parked, replay
from shared.bus.publisher import Publisher
from shared.bus.topology import TOPOLOGY
from shared.errors import Unavailable
from shared.setting_values import AmqpUrl
from shared.settings import load

SERVICES = tuple(TOPOLOGY.bindings)


class Settings(BaseSettings):
    amqp_url: AmqpUrl


def main(arguments: list[str]) -> int:
    match arguments:
        case ["parked"] | ["replay"]:
            services = SERVICES
        case ["replay", service] if service in SERVICES:
            services = (service,)
        case _:
            sys.stderr.write(f"usage: python -m shared.bus parked | replay [{'|'.join(SERVICES)}]\n")
            return 2
    try:
        asyncio.run(_run(arguments[0], services))
    except Unavailable as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


async def _run(verb: str, services: tuple[str, ...]) -> None:
    connection = Connection(load(Settings).amqp_url, "promptly-operator")
    try:
        for service in services:
            await (_print_parked if verb == "parked" else _print_replayed)(connection, service)
    finally:
        await connection.close()


async def _print_parked(connection: Connection, service: str) -> None:
    place = await list_parked(connection, service, TOPOLOGY)
    sys.stdout.write("".join(f"{line}\n" for line in _lines(place)))


async def _print_replayed(connection: Connection, service: str) -> None:
    count = await replay(connection, Publisher(connection), service)
    sys.stdout.write(f"{TOPOLOGY.work_queue(service)}: {count} put back\n")


def _lines(place: ParkingPlace) -> list[str]:
    listed = [f"  {each.event_id}  {each.event_type}  {each.reason}" for each in place.messages]
    unlisted_count = place.count - len(listed)
    more = [f"  and {unlisted_count} more"] if unlisted_count > 0 else []
    return [f"{place.queue}: {place.count}", *listed, *more]


if __name__ == "__main__":
    logging.configure("operator", "critical")
    raise SystemExit(main(sys.argv[1:]))
