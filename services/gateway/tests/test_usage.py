"""What a key's holder has used: by day, model or request, JSON or CSV, and one request's receipt."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.domain.usage_query import parse_usage_query
from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, open_account
from services.gateway.tests.support.chat import error_of
from services.gateway.tests.support.ledger_reads import PEM, LedgerReads, receipt_of
from services.gateway.tests.support.serving import serving
from services.gateway.use_cases import read_usage
from shared.ids import new_request_id

USAGE = "/v1/usage"


@pytest.fixture
def ledger() -> LedgerReads:
    return LedgerReads()


@pytest.fixture
async def door(ledger: LedgerReads, start_gateway: GatewayFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(ledger.app()) as url:
        yield await start_gateway(metering_url=url)


@pytest.fixture
async def posted(ledger: LedgerReads, account: Account) -> UUID:
    """A request of this account, sent just now."""
    request_id = UUID(new_request_id())
    ledger.receipts[request_id] = receipt_of(request_id, account.account_id)
    return request_id


@pytest.mark.parametrize(("group_by", "group"), [("day", "2026-11-23"), ("model", "stand-in-1b.gguf")])
async def test_usage_by_day_or_model(
    group_by: str, group: str, door: httpx.AsyncClient, account: Account, ledger: LedgerReads
) -> None:
    reply = await door.get(USAGE, params={"group_by": group_by}, headers=account.headers)
    row = {group_by: group, "requests": 2, "tokens_prompt": 10, "tokens_completion": 14, "tokens_cached": 4}
    assert reply.json() == {
        "object": "list",
        "group_by": group_by,
        "since": "2026-10-24T12:00:00Z",
        "until": "2026-11-23T12:00:00Z",
        "data": [row],
        "has_more": False,
        "next_cursor": None,
    }
    assert ledger.asked == [{"account_id": account.account_id, "group_by": group_by, "limit": "100"}]


async def test_usage_by_request_is_the_receipts(
    door: httpx.AsyncClient, account: Account, posted: UUID
) -> None:
    reply = await door.get(f"{USAGE}?group_by=request", headers=account.headers)
    [row] = reply.json()["data"]
    assert (row["request_id"], row["tokens_charged"]) == (str(posted), 12)


async def test_span_limit_and_cursor_reach_the_ledger(
    door: httpx.AsyncClient, account: Account, ledger: LedgerReads
) -> None:
    ledger.next_cursor = "b3BhcXVl"
    asked = {"since": "2026-11-01", "until": "1795392000", "limit": "3", "cursor": "YQ", "nonsense": "1"}
    reply = await door.get(USAGE, params=asked, headers=account.headers)
    assert (reply.json()["has_more"], reply.json()["next_cursor"]) == (True, "b3BhcXVl")
    assert reply.headers["x-ignored-fields"] == "nonsense"
    [question] = ledger.asked
    assert question["since"] == "2026-11-01T00:00:00+00:00"
    assert question["until"] == "2026-11-23T00:00:00+00:00"
    assert (question["limit"], question["cursor"]) == ("3", "YQ")


@pytest.mark.parametrize(
    ("query", "accept"), [("", "text/csv"), ("format=csv", "*/*"), ("format=csv", "application/json")]
)
async def test_the_same_as_csv(
    query: str, accept: str, door: httpx.AsyncClient, account: Account, ledger: LedgerReads
) -> None:
    ledger.next_cursor = "b3BhcXVl"
    reply = await door.get(f"{USAGE}?{query}", headers=account.headers | {"accept": accept})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["x-next-cursor"] == "b3BhcXVl"
    assert reply.headers["x-ratelimit-remaining-requests"] == "999"
    header = "day,requests,tokens_prompt,tokens_completion,tokens_cached"
    assert reply.text == f"{header}\r\n2026-11-23,2,10,14,4\r\n"


async def test_requests_as_csv_have_a_column_for_each_fact(
    door: httpx.AsyncClient, account: Account, posted: UUID
) -> None:
    reply = await door.get(f"{USAGE}?group_by=request&format=csv", headers=account.headers)
    header, line = reply.text.splitlines()
    assert header.startswith("request_id,account_id,key_id,endpoint,model,tokens_prompt")
    assert line.startswith(f"{posted},{account.account_id},key-1,chat.completions,stand-in-1b.gguf,5,7,0,12,")
    assert ",completed,false,2," in line


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("group_by=key", "group_by"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=%D9%A3", "limit"),
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("cursor=%00", "cursor"),
        ("format=xml", "format"),
        ("limit=1&limit=2", "limit"),
        ("since=%ff", "query"),
        ("&".join(f"a{number}=1" for number in range(40)), "query"),
    ],
)
async def test_the_first_wrong_parameter_is_named_and_the_ledger_not_asked(
    query: str, param: str, door: httpx.AsyncClient, account: Account, ledger: LedgerReads
) -> None:
    reply = await door.get(f"{USAGE}?{query}", headers=account.headers)
    assert (reply.status_code, error_of(reply)["param"]) == (400, param)
    assert ledger.asked == []


async def test_what_the_ledger_finds_wrong_is_passed_on(
    door: httpx.AsyncClient, account: Account, ledger: LedgerReads
) -> None:
    ledger.refusal = "since"
    reply = await door.get(f"{USAGE}?since=1999-01-01", headers=account.headers)
    assert reply.status_code == 400
    assert (error_of(reply)["param"], error_of(reply)["message"]) == ("since", "It cannot be.")


@pytest.mark.parametrize("path", [USAGE, pytest.param(f"{USAGE}/{new_request_id()}", id="receipt")])
async def test_usage_needs_a_key_and_no_money(path: str, door: httpx.AsyncClient, redis: Redis) -> None:
    assert (await door.get(path)).status_code == 401
    poor = await open_account(redis, tokens=0)
    assert (await door.get(path, headers=poor.headers)).status_code in (200, 404)


@pytest.mark.parametrize("path", [USAGE, f"{USAGE}?group_by=request"])
async def test_without_metering_it_is_503_and_when_to_come_again(
    path: str, door: httpx.AsyncClient, account: Account, ledger: LedgerReads
) -> None:
    ledger.is_down = True
    reply = await door.get(path, headers=account.headers)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    assert error_of(reply)["code"] == "overloaded"


async def test_a_receipt_is_found_by_the_id_that_the_answer_had(
    door: httpx.AsyncClient, account: Account, posted: UUID
) -> None:
    for spelt in (str(posted), str(posted).upper(), posted.hex):
        reply = await door.get(f"{USAGE}/{spelt}", headers=account.headers)
        assert reply.json()["receipt"]["request_id"] == str(posted)
        assert "signature" not in reply.json()


async def test_a_signed_receipt_is_passed_through_to_the_byte(
    door: httpx.AsyncClient, account: Account, posted: UUID, ledger: LedgerReads
) -> None:
    reply = (await door.get(f"{USAGE}/{posted}?signed=true", headers=account.headers)).json()
    assert reply["payload"] == ledger.receipts[posted].model_dump_json()
    assert reply["public_key_id"] == "key-id"
    assert (await door.get(reply["public_key_path"])).text == PEM


async def test_without_a_key_to_sign_with_a_signature_is_refused_at_once_and_by_code(
    door: httpx.AsyncClient, account: Account, posted: UUID, ledger: LedgerReads
) -> None:
    """With 404, which no SDK sends again."""
    ledger.signs = False
    reply = await door.get(f"{USAGE}/{posted}?signed=true", headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (404, "receipts_not_signed")
    assert "retry-after" not in reply.headers
    assert (await door.get(f"{USAGE}/{posted}", headers=account.headers)).status_code == 200
    key = await door.get("/.well-known/promptly-receipts.pem")
    assert (key.status_code, error_of(key)["code"]) == (404, "receipts_not_signed")


async def test_a_receipt_that_is_about_to_be_posted_is_waited_for(
    door: httpx.AsyncClient, account: Account, posted: UUID, ledger: LedgerReads
) -> None:
    ledger.posted_after = 2
    assert (await door.get(f"{USAGE}/{posted}", headers=account.headers)).status_code == 200


async def test_a_receipt_that_does_not_come_is_404_and_says_why(
    door: httpx.AsyncClient, account: Account, ledger: LedgerReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_usage, "WAIT_SECONDS", 0.3)
    reply = await door.get(f"{USAGE}/{new_request_id()}", headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (404, "request_not_found")
    assert "still running" in error_of(reply)["message"]
    assert 2 <= len(ledger.asked) <= 4


async def test_an_old_request_is_not_waited_for(
    door: httpx.AsyncClient, account: Account, ledger: LedgerReads
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    old = UUID(int=int(yesterday.timestamp() * 1000) << 80 | 0x7000_8000_0000_0000_0001)
    assert (await door.get(f"{USAGE}/{old}", headers=account.headers)).status_code == 404
    assert len(ledger.asked) == 1


async def test_nobody_sees_the_receipt_of_another(
    door: httpx.AsyncClient, redis: Redis, posted: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_usage, "WAIT_SECONDS", 0)
    other = await open_account(redis, tokens=1)
    assert (await door.get(f"{USAGE}/{posted}", headers=other.headers)).status_code == 404
    listed = await door.get(f"{USAGE}?group_by=request", headers=other.headers)
    assert listed.json()["data"] == []


@pytest.mark.parametrize(
    ("rest", "param"),
    [
        ("/chatcmpl-123", "request_id"),
        pytest.param(f"/{new_request_id()}?signed=yes", "signed", id="signed otherwise"),
    ],
)
async def test_a_receipt_asked_for_wrongly_is_400(
    rest: str, param: str, door: httpx.AsyncClient, account: Account
) -> None:
    reply = await door.get(USAGE + rest, headers=account.headers)
    assert (reply.status_code, error_of(reply)["param"]) == (400, param)


async def test_a_public_key_that_cannot_be_had_is_503(door: httpx.AsyncClient, ledger: LedgerReads) -> None:
    ledger.is_down = True
    reply = await door.get("/.well-known/promptly-receipts.pem")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(
    "text", ["2026-11-01T12:00:00Z", "2026-11-01T14:00:00%2B02:00", "2026-11-01T12:00:00", "1793534400"]
)
def test_an_instant_may_be_written_in_several_ways(text: str) -> None:
    query = parse_usage_query(f"since={text}", "")
    assert query.since == datetime(2026, 11, 1, 12, tzinfo=UTC)
