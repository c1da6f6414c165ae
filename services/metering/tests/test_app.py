"""The service as it is put together: what it answers to the others, and when it says that it is ready."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from services.metering.app import build_app
from services.metering.settings import MeteringSettings
from services.metering.tests.building import Books, record_for
from services.metering.tests.gateway import Gateway, end_the_wait
from shared.admission.mirror import WAIT_BEFORE_OPENING_MS
from shared.admission.sequences import write_sequence
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.contracts.internal.metering import MirrorReply
from shared.ids import new_uuid7
from shared.migrations import SchemaMismatch
from tests.support.eventually import eventually
from tests.support.servers import ServiceDatabase

TOKEN = "an-internal-token"


@pytest.fixture
def settings(
    schema: ServiceDatabase, redis_url: str, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> MeteringSettings:
    environment = {
        "DATABASE_URL": schema.url,
        "REDIS_URL": redis_url,
        "AMQP_URL": amqp_url,
        "INTERNAL_TOKEN": TOKEN,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return MeteringSettings()


@pytest.fixture
async def metering(settings: MeteringSettings, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """The service, running, and a client that knows the internal token."""
    app = build_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://metering",
            headers={"authorization": f"Bearer {TOKEN}"},
        ) as client,
    ):
        yield client


async def is_open(metering: httpx.AsyncClient, path: str) -> bool:
    """Not at once when the service's own pass comes in between."""
    reply = await metering.post(path)
    return (reply.status_code, reply.content) == (204, b"")


async def test_it_is_ready_when_its_three_servers_answer(metering: httpx.AsyncClient) -> None:
    assert (await metering.get("/ready")).json() == {"status": "ready"}


async def test_no_internal_route_answers_without_the_token(settings: MeteringSettings) -> None:
    """Whichever there are: a new one is among them."""
    app = build_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://metering") as stranger,
    ):
        answers = {
            f"{method} {path}": (
                await stranger.request(method, path.format(account_id="aB3dE5gH", request_id=new_uuid7()))
            ).status_code
            for path, methods in app.openapi()["paths"].items()
            for method in methods
            if path.startswith("/internal/")
        }
    assert len(answers) > 10
    assert {route: status for route, status in answers.items() if status != 403} == {}


async def test_it_tells_prometheus_what_it_posts_and_how_late(metering: httpx.AsyncClient) -> None:
    told = (await metering.get("/metrics")).text
    for name in (
        "records_posted_total",
        "records_set_aside_total",
        "batch_records_bucket",
        "posting_seconds_bucket",
        "posting_lag_seconds_bucket",
        "mirror_lag_seconds_bucket",
        "tokens_uncollected_total",
    ):
        assert f"promptly_metering_{name}" in told


async def test_the_balance_is_what_is_posted(metering: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account(trial=100, paid=500)
    await books.post(record_for(account_id, 30))
    assert (await metering.get(f"/internal/accounts/{account_id}/balance")).json() == {
        "account_id": account_id,
        "available": 570,
        "paid": 500,
        "trial": 70,
        "trial_expires_at": "2126-01-01T00:00:00Z",
        "debt": 0,
        "frozen": 0,
    }


async def test_usage_is_listed_by_day_for_as_long_as_asked(metering: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account()
    now = utc_now()
    for days_ago in (0, 40):
        await books.post(record_for(account_id, 30, admitted_at=now - timedelta(days=days_ago)))
    today = {"day": now.date().isoformat(), "requests": 1, "tokens_prompt": 10, "tokens_completion": 20}
    path = f"/internal/accounts/{account_id}/usage"
    assert (await metering.get(path)).json() == {"days": [today]}
    assert len((await metering.get(path, params={"days": 60})).json()["days"]) == 2
    assert (await metering.get(path, params={"days": 0})).status_code == 400


async def test_an_account_that_redis_lost_is_closed_until_the_wait_is_over(
    metering: httpx.AsyncClient, books: Books, redis: Redis
) -> None:
    account_id = await books.open_account()
    path = f"/internal/accounts/{account_id}/mirror"
    await eventually(partial(is_open, metering, path))
    assert await Gateway(redis).available(account_id) == 1000
    await redis.flushdb()
    reply = await metering.post(path)
    assert reply.status_code == 202
    assert 0 < MirrorReply.model_validate_json(reply.content).opens_in_ms <= WAIT_BEFORE_OPENING_MS
    await end_the_wait(redis, account_id)
    assert (await metering.post(path)).status_code == 204
    assert await Gateway(redis).available(account_id) == 1000


async def test_it_says_when_to_ask_again_while_batches_are_on_their_way(
    metering: httpx.AsyncClient, books: Books, redis: Redis
) -> None:
    account_id = await books.open_account()
    path = f"/internal/accounts/{account_id}/mirror"
    await eventually(partial(is_open, metering, path))
    await redis.flushdb()
    await write_sequence(redis, "gateway-of-this-test", 1)
    await metering.post(path)
    await end_the_wait(redis, account_id)
    reply = await metering.post(path)
    assert (reply.status_code, reply.json()) == (202, {"opens_in_ms": 100})
    await books.post_batch("gateway-of-this-test", 1, record_for(account_id, 30))
    assert (await metering.post(path)).status_code == 204
    assert await Gateway(redis).available(account_id) == 970


@pytest.mark.parametrize(("method", "what"), [("POST", "mirror"), ("GET", "balance")])
async def test_an_account_that_the_ledger_does_not_know_is_404(
    metering: httpx.AsyncClient, method: str, what: str
) -> None:
    reply = await metering.request(method, f"/internal/accounts/{new_account_id()}/{what}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "account_unknown")


@pytest.mark.parametrize(("method", "what"), [("POST", "mirror"), ("GET", "balance"), ("GET", "usage")])
async def test_nobody_outside_the_system_is_answered(
    metering: httpx.AsyncClient, method: str, what: str
) -> None:
    path = f"/internal/accounts/{new_account_id()}/{what}"
    reply = await metering.request(method, path, headers={"authorization": "Bearer guess"})
    assert reply.status_code == 403


@pytest.mark.usefixtures("metering")
async def test_what_another_replica_left_unmirrored_is_mirrored_within_seconds(
    books: Books, gateway: Gateway
) -> None:
    """Committed by a process that died before its pass: nobody kicks, the schedule finds it."""
    account_id = await books.open_account()

    await eventually(partial(gateway.shows, account_id, 1000), within_seconds=5)


async def test_it_refuses_a_schema_from_which_a_later_version_took_something(
    settings: MeteringSettings, books: Books, schema: ServiceDatabase
) -> None:
    owner = await asyncpg.connect(schema.owner_url)
    try:
        await owner.execute(
            """
            INSERT INTO schema_migrations (name, sha256, safe_for)
            VALUES ('9999_from_the_future.sql', '', '9998_from_the_future.sql')
            """
        )
        app = build_app(settings)
        with pytest.raises(SchemaMismatch):
            async with app.router.lifespan_context(app):
                pass
    finally:
        await owner.execute("DELETE FROM schema_migrations WHERE name = '9999_from_the_future.sql'")
        await owner.close()
