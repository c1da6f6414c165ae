"""What `python -m services.<name>` does: serve; or apply this service's migrations, or publish its events again."""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic_settings import BaseSettings

from shared import logging
from shared.http.draining import DrainingServer
from shared.http.gathering import GatheringProtocol
from shared.http.metrics import tell_build
from shared.http.waiting_room import WaitingRoom
from shared.setting_values import PostgresUrl
from shared.settings import ServiceSettings, load
from shared.tracing import spans

GRACEFUL_SHUTDOWN_SECONDS = 24
"""Running streams may finish; with the rest of leaving less than the 30 s after which supervisors kill."""
CONNECTIONS_BACKLOG = 2048
COLLECTED_OBJECTS = 10_000
"""About 5 MB more at most, between two collections of the youngest."""

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
log = structlog.get_logger()


class ReplaySettings(BaseSettings):
    """The runtime role's connection, by itself: nothing else is needed."""

    database_url: PostgresUrl


class MigrationSettings(BaseSettings):
    """The owner role's connection, known only to the migration step."""

    migration_database_url: PostgresUrl


def main(
    service: str,
    settings_class: type[SettingsT],
    build_app: Callable[[SettingsT], FastAPI],
    migrations_folder: Path | None = None,
) -> None:
    """Serve until SIGTERM; with the argument `migrate`, bring the schema up to date instead; with `replay`, publish
    again what the outbox keeps."""
    match sys.argv[1:]:
        case []:
            _serve(service, load(settings_class), build_app)
        case ["migrate"] if migrations_folder is not None:
            _migrate(service, migrations_folder)
        case ["replay"] if migrations_folder is not None:
            _replay(service)
        case _:
            sys.stderr.write(
                f"usage: python -m services.{service}{' [migrate|replay]' if migrations_folder else ''}\n"
            )
            raise SystemExit(2)


def _serve(service: str, settings: SettingsT, build_app: Callable[[SettingsT], FastAPI]) -> None:
    logging.configure(service, settings.log_level)
    tell_build(service, settings.promptly_version)
    room = WaitingRoom(partial(build_app, settings))
    config = uvicorn.Config(
        room,
        interface="asgi3",  # it would ask whether a coroutine function is called: a layer of its own for each request
        host=settings.listen_host,
        port=settings.listen_port,
        loop="uvloop",
        http=GatheringProtocol,
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        backlog=CONNECTIONS_BACKLOG,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )
    server = DrainingServer(config, room)
    _collect_less_often()
    with _traced(service, settings):
        server.run()
    if not server.started:
        raise SystemExit(3)


def _collect_less_often() -> None:
    """What is loaded by now stays: no collection looks at it again. A request leaves few cycles behind, and Python's
    own threshold of 700 objects is one request's."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS, 20, 20)


@contextmanager
def _traced(service: str, settings: ServiceSettings) -> Iterator[None]:
    endpoint, share = settings.otel_exporter_otlp_endpoint, settings.otel_traces_sampler_arg
    spans.start(service, endpoint=endpoint, share=share)
    try:
        yield
    finally:
        spans.stop()


def _migrate(service: str, folder: Path) -> None:
    from shared.migrations import MigrationFailed, SchemaMismatch, migrate  # asyncpg: absent without a schema
    from shared.postgres import POSTGRES_ERRORS

    logging.configure(service)
    dsn = load(MigrationSettings).migration_database_url
    try:
        applied = asyncio.run(migrate(dsn, folder))
    except (SchemaMismatch, MigrationFailed, *POSTGRES_ERRORS) as error:
        _fail(service, error)
    log.info("migrations_applied", names=applied)


def _replay(service: str) -> None:
    from shared.outbox import publish_again  # asyncpg, as above
    from shared.postgres import POSTGRES_ERRORS

    try:
        events = asyncio.run(publish_again(load(ReplaySettings).database_url))
    except POSTGRES_ERRORS as error:
        _fail(service, error)
    sys.stdout.write(f"{events} events are published again\n")


def _fail(service: str, error: Exception) -> NoReturn:
    """What is late says nothing by itself."""
    sys.stderr.write(f"{service}: {str(error) or type(error).__name__}\n")
    raise SystemExit(1) from error
