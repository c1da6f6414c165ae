"""What one account used, as the other services read it: by day, model and key, and request by request."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

import httpx
import pytest

from services.metering.tests.asking import TOKEN, asking
from services.metering.tests.building import Books, record_for
from shared.api_keys import new_account_id
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId
from shared.postgres import Pool

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
WEEK = {"since": "2026-11-16T00:00:00Z", "until": "2026-11-23T00:00:00Z"}
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def client(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(pool) as client:
        yield client


def request_at(
    account_id: AccountId,
    at: datetime,
    tokens: int = 30,
    *,
    model: str = "small.gguf",
    key: str = "key-1",
    number: int = 0,
    revision: int = 2,
) -> UsageRecord:
    """Its id was made when it arrived; `number` tells those of one instant apart."""
    rest = crc32(account_id.encode()) << 16 | number
    request_id = UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0x8 << 60 | rest)
    record = record_for(account_id, tokens, request_id=request_id, revision=revision, admitted_at=at)
    return record.model_copy(update={"model": model, "key_id": key, "tokens_cached": 5})


async def ask(client: httpx.AsyncClient, account_id: str, what: str, **params: Any) -> Any:
    reply = await client.get(f"/internal/accounts/{account_id}/usage/{what}", params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def groups(client: httpx.AsyncClient, account_id: str, **params: Any) -> dict[str, tuple[int, int]]:
    """group -> requests, tokens; in the order of the page."""
    rows = (await ask(client, account_id, "report", **params))["rows"]
    return {row["group"]: (row["requests"], row["tokens_prompt"] + row["tokens_completion"]) for row in rows}


async def test_a_report_sums_up_by_day_model_or_key(client: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account(trial=10_000)
    await books.post(
        request_at(account_id, MONDAY + HOUR, 30, model="small.gguf", key="key-1"),
        request_at(account_id, MONDAY + 2 * HOUR, 60, model="large.gguf", key="key-1"),
        request_at(account_id, MONDAY + 25 * HOUR, 90, model="large.gguf", key="key-2"),
    )
    assert await groups(client, account_id, group_by="day", **WEEK) == {
        "2026-11-17": (1, 90),
        "2026-11-16": (2, 90),
    }
    assert await groups(client, account_id, group_by="model", **WEEK) == {
        "large.gguf": (2, 150),
        "small.gguf": (1, 30),
    }
    assert await groups(client, account_id, group_by="key", **WEEK) == {"key-1": (2, 90), "key-2": (1, 90)}


async def test_cached_tokens_are_summed_up_too(client: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account(trial=10_000)
    await books.post(*(request_at(account_id, MONDAY + HOUR, number=number) for number in range(3)))
    [row] = (await ask(client, account_id, "report", group_by="model", **WEEK))["rows"]
    assert row["tokens_cached"] == 15


async def test_a_part_of_a_day_counts_only_its_requests(client: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account(trial=10_000)
    for hours in (1, 5, 30, 49, 53):
        await books.post(request_at(account_id, MONDAY + hours * HOUR))
    asked = {"since": (MONDAY + 2 * HOUR).isoformat(), "until": (MONDAY + 50 * HOUR).isoformat()}
    assert await groups(client, account_id, **asked) == {
        "2026-11-18": (1, 30),
        "2026-11-17": (1, 30),
        "2026-11-16": (1, 30),
    }
    within_a_day = {"since": (MONDAY + 2 * HOUR).isoformat(), "until": (MONDAY + 6 * HOUR).isoformat()}
    assert await groups(client, account_id, **within_a_day) == {"2026-11-16": (1, 30)}
    assert await groups(client, account_id, group_by="key", **asked) == {"key-1": (3, 90)}


async def test_a_corrected_request_counts_once_and_as_corrected(
    client: httpx.AsyncClient, books: Books
) -> None:
    account_id = await books.open_account(trial=10_000)
    await books.post(request_at(account_id, MONDAY + HOUR, 30, revision=1))
    await books.post(request_at(account_id, MONDAY + HOUR, 60, revision=2))
    part = {"since": MONDAY.isoformat(), "until": (MONDAY + 2 * HOUR).isoformat()}
    for asked in (WEEK, part):
        assert await groups(client, account_id, **asked) == {"2026-11-16": (1, 60)}
        [receipt] = (await ask(client, account_id, "requests", **asked))["receipts"]
        assert (receipt["revision"], receipt["tokens_charged"]) == (2, 60)


@pytest.mark.parametrize("group_by", ["day", "model", "key"])
async def test_reports_are_paged_without_a_row_twice_or_left_out(
    client: httpx.AsyncClient, books: Books, group_by: str
) -> None:
    account_id = await books.open_account(trial=10_000)
    for day in range(5):
        await books.post(
            request_at(account_id, MONDAY + day * 24 * HOUR + HOUR, model=f"model-{day}", key=f"key-{day}")
        )
    whole = list(await groups(client, account_id, group_by=group_by, **WEEK))
    assert len(whole) == 5
    first = await ask(client, account_id, "report", group_by=group_by, limit=2, **WEEK)
    await books.post(request_at(account_id, MONDAY + 26 * HOUR, model="model-1", key="key-1"))
    rest = await ask(client, account_id, "report", group_by=group_by, limit=5, cursor=first["next_cursor"])
    assert [row["group"] for row in (*first["rows"], *rest["rows"])] == whole
    assert rest["next_cursor"] is None


async def test_requests_come_newest_first_in_pages_that_later_ones_do_not_shift(
    client: httpx.AsyncClient, books: Books
) -> None:
    account_id = await books.open_account(trial=10_000)
    records = [request_at(account_id, MONDAY + hours * HOUR) for hours in range(1, 6)]
    await books.post(*records)
    first = await ask(client, account_id, "requests", limit=2, **WEEK)
    await books.post(request_at(account_id, MONDAY + 9 * HOUR))
    second = await ask(client, account_id, "requests", limit=3, cursor=first["next_cursor"])
    seen = [each["request_id"] for each in (*first["receipts"], *second["receipts"])]
    assert seen == [str(record.request_id) for record in reversed(records)]
    assert second["next_cursor"] is None


async def test_requests_can_be_those_of_one_key_or_model(client: httpx.AsyncClient, books: Books) -> None:
    account_id = await books.open_account(trial=10_000)
    await books.post(
        request_at(account_id, MONDAY + HOUR, model="small.gguf", key="key-1"),
        request_at(account_id, MONDAY + 2 * HOUR, model="large.gguf", key="key-2"),
    )
    for asked in ({"key_id": "key-2"}, {"model": "large.gguf"}):
        [receipt] = (await ask(client, account_id, "requests", **asked, **WEEK))["receipts"]
        assert (receipt["key_id"], receipt["model"]) == ("key-2", "large.gguf")


async def test_unless_asked_otherwise_it_is_the_last_thirty_days(
    client: httpx.AsyncClient, books: Books
) -> None:
    account_id = await books.open_account(trial=10_000)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await books.post(request_at(account_id, today + timedelta(seconds=1)))
    await books.post(request_at(account_id, today - 29 * 24 * HOUR))
    await books.post(request_at(account_id, today - 30 * 24 * HOUR))
    report = await ask(client, account_id, "report")
    assert len(report["rows"]) == 2
    assert report["until"] == (today + 24 * HOUR).isoformat().replace("+00:00", "Z")
    assert len((await ask(client, account_id, "requests"))["receipts"]) == 2


async def test_nobody_sees_another_accounts_usage(client: httpx.AsyncClient, books: Books) -> None:
    account_id, other = await books.open_account(), await books.open_account()
    record = request_at(account_id, MONDAY + HOUR)
    await books.post(record)
    assert await groups(client, other, **WEEK) == {}
    assert (await ask(client, other, "requests", **WEEK))["receipts"] == []
    reply = await client.get(f"/internal/accounts/{other}/usage/requests/{record.request_id}")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "request_unknown"


@pytest.mark.parametrize(
    "params",
    [
        {"since": "2026-11-16T00:00:00Z", "until": "2026-11-16T00:00:00Z"},
        {"since": "2020-01-01T00:00:00Z", "until": "2026-11-16T00:00:00Z"},
        {"since": "0001-01-01T00:00:00Z"},
        {"until": "0001-01-01T00:00:00Z"},
        {"until": "9999-12-31T00:00:00Z"},
        {"since": "2026-11-16T00:00:00"},
        {"since": "yesterday"},
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "bm90IG91cnM"},
        {"cursor": "é"},
        {"cursor": "WyIyMDI2LTExLTE2IiwiMjAyNi0xMS0xNyIsIngiXQ"},
        {"cursor": "W10" * 600},
        {"model": "a\0b"},
        {"group_by": "hour"},
    ],
)
async def test_what_cannot_be_answered_is_refused(client: httpx.AsyncClient, params: dict[str, Any]) -> None:
    what = "requests" if "model" in params else "report"
    reply = await client.get(f"/internal/accounts/{new_account_id()}/usage/{what}", params=params)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_a_cursor_of_a_report_does_not_go_on_in_the_requests(
    client: httpx.AsyncClient, books: Books
) -> None:
    account_id = await books.open_account(trial=10_000)
    for day in range(2):
        await books.post(request_at(account_id, MONDAY + day * 24 * HOUR + HOUR))
    cursor = (await ask(client, account_id, "report", limit=1, **WEEK))["next_cursor"]
    reply = await client.get(f"/internal/accounts/{account_id}/usage/requests", params={"cursor": cursor})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_cursor")


async def test_strangers_are_refused(pool: Pool) -> None:
    async with asking(pool, token=f"not-{TOKEN}") as stranger:
        reply = await stranger.get(f"/internal/accounts/{new_account_id()}/usage/report")
    assert reply.status_code == 403
