"""The status page: a model, no model, no gateway."""

from redis.asyncio import Redis

from services.accounts.tests.accounts_process import Accounts, serving
from services.accounts.tests.conftest import SettingsFactory
from services.accounts.tests.neighbours import Neighbours

JSON = {"accept": "application/json"}


async def test_the_model_is_named_with_what_runs_and_waits(panel: Accounts) -> None:
    page = (await panel.http.get("/status")).text
    for shown in ("The model answers", "gpt-oss-20b-mxfp4.gguf", "UTC"):
        assert shown in page
    status = (await panel.http.get("/status", headers=JSON)).json()
    assert (status["is_up"], status["gateway"]["running"], status["gateway"]["waiting"]) == (True, 3, 2)


async def test_without_a_model_the_page_says_so(
    settings_with: SettingsFactory, redis: Redis, neighbours: Neighbours
) -> None:
    neighbours.model = None
    async with serving(settings_with(gateway_url=neighbours.url), redis) as accounts:
        assert "the model does not at the moment" in (await accounts.http.get("/status")).text


async def test_without_a_gateway_the_page_says_so(accounts: Accounts) -> None:
    assert "The API does not answer" in (await accounts.http.get("/status")).text
    assert (await accounts.http.get("/status", headers=JSON)).json() == {"is_up": False, "gateway": None}
