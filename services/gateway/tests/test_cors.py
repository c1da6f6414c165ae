"""Browsers may call /v1 from the origins that the operator allows, with a key and without cookies."""

import httpx
import pytest

from services.gateway.settings import GatewaySettings
from services.gateway.tests.conftest import GatewayFactory, SettingsFactory
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED
from tests.support.upstream import StandInUpstream

APP = "https://app.example.com"
ASKED = "authorization, content-type, x-stainless-os"
PREFLIGHT = {
    "origin": APP,
    "access-control-request-method": "POST",
    "access-control-request-headers": ASKED,
}


@pytest.fixture
async def door(start_gateway: GatewayFactory) -> httpx.AsyncClient:
    return await start_gateway(cors_allowed_origins=APP, inference_ip_rate_limit=3)


def cors_of(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/balance", "/v1/usage", "/v1/nothing"])
async def test_a_preflight_needs_no_key_and_costs_nothing(path: str, door: httpx.AsyncClient) -> None:
    for _ in range(5):
        reply = await door.options(path, headers=PREFLIGHT)
        assert (reply.status_code, reply.content) == (204, b"")
    assert cors_of(reply) == {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
        "access-control-allow-headers": ASKED,
        "access-control-max-age": "7200",
    }
    assert (await door.get("/v1/balance")).status_code == 401


@pytest.mark.parametrize("body", [QUESTION, STREAMED, {"messages": []}])
async def test_answers_and_errors_may_be_read_with_their_headers(
    body: dict[str, object], door: httpx.AsyncClient, account: Account
) -> None:
    reply = await door.post(CHAT, json=body, headers=account.headers | {"origin": APP})
    assert reply.headers["access-control-allow-origin"] == APP
    assert reply.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in reply.headers
    exposed = reply.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "x-ratelimit-remaining-requests", "retry-after", "x-ignored-fields"} <= set(
        exposed
    )


async def test_refusals_may_be_read_too(door: httpx.AsyncClient) -> None:
    statuses = []
    for path in ("/v1/balance", "/v1/nothing", "/v1/chat/completions", "/v1/models"):
        reply = await door.get(path, headers={"origin": APP})
        assert reply.headers["access-control-allow-origin"] == APP
        statuses.append(reply.status_code)
    assert statuses == [401, 404, 405, 429]


async def test_other_origins_are_told_nothing(door: httpx.AsyncClient, account: Account) -> None:
    stranger = {"origin": "https://evil.example.com"}
    reply = await door.post(CHAT, json=QUESTION, headers=account.headers | stranger)
    assert (reply.status_code, cors_of(reply), reply.headers["vary"]) == (200, {}, "origin")
    refused = await door.options(CHAT, headers=PREFLIGHT | stranger)
    assert (refused.status_code, cors_of(refused)) == (405, {})


async def test_any_origin_when_the_operator_says_so(
    start_gateway: GatewayFactory, account: Account, upstream: StandInUpstream
) -> None:
    door = await start_gateway(cors_allowed_origins="*")
    reply = await door.get("/v1/balance", headers=account.headers | {"origin": "null"})
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "vary" not in reply.headers
    assert (await door.options(CHAT, headers=PREFLIGHT)).headers["access-control-allow-origin"] == "*"


async def test_without_the_setting_there_is_no_cors(gateway: httpx.AsyncClient, account: Account) -> None:
    reply = await gateway.get("/v1/balance", headers=account.headers | {"origin": APP})
    assert (cors_of(reply), reply.headers.get("vary")) == ({}, None)
    refused = await gateway.options(CHAT, headers=PREFLIGHT)
    assert (refused.status_code, refused.headers["allow"], cors_of(refused)) == (405, "POST", {})


async def test_headers_that_no_browser_asks_for_are_not_reflected(door: httpx.AsyncClient) -> None:
    odd = {"access-control-request-headers": "x-ok;<script>"}
    reply = await door.options(CHAT, headers=PREFLIGHT | odd)
    assert "access-control-allow-headers" not in reply.headers


@pytest.mark.parametrize(
    "wrong", ["app.example.com", "https://a.example.com/", "https://a/path", "*, https://a"]
)
def test_an_origin_is_scheme_host_and_port(wrong: str, settings_with: SettingsFactory) -> None:
    with pytest.raises(ValueError, match="origin"):
        settings_with(cors_allowed_origins=wrong)


def test_several_origins_are_separated_by_commas(settings_with: SettingsFactory) -> None:
    settings: GatewaySettings = settings_with(cors_allowed_origins=f"{APP}, http://localhost:3000")
    assert settings.cors_allowed_origins == (APP, "http://localhost:3000")
