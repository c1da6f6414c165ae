"""The operator's list and search at 100,000 users: no page reads more than it has to, the deepest neither."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.accounts.adapters import accounts_postgres as accounts
from services.accounts.adapters import users_postgres as users
from services.accounts.domain.users import MATCHES_MAX, ROWS_PER_PAGE, SortBy, User, UserQuery, stretch_of
from shared.clock import utc_now
from shared.outbox import PUBLISHED_KEPT
from tests.support.explained import Explained
from tests.support.servers import DatabaseFactory

USERS = 100_000
PEOPLE = """
    INSERT INTO accounts (account_id, email, created_at, registered_at)
    SELECT lpad(n::text, 8, '0'), 'user.' || n || '@company-' || n % 997 || '.example', now(), now()
    FROM generate_series(1, 100000) n
"""
EVENTS_COUNT = 20_000
EVENTS = """
    INSERT INTO outbox (id, type, subject, body, published_at)
    SELECT gen_random_uuid(), 'accounts.key_issued.v1', lpad(n::text, 8, '0'), '{}', now()
    FROM generate_series(5001, 25000) n
"""
LAST_PAGE = USERS // ROWS_PER_PAGE


@pytest.fixture(scope="module")
async def many(database: DatabaseFactory) -> AsyncIterator[asyncpg.Connection]:
    schema = await database("accounts")
    owner = await asyncpg.connect(schema.owner_url)
    await owner.execute(PEOPLE)
    await owner.execute("VACUUM (ANALYZE) accounts")
    await owner.close()
    connection = await asyncpg.connect(schema.url)
    yield connection
    await connection.close()


async def listed(explained: Explained, query: UserQuery) -> list[User]:
    stretch = stretch_of(query, total=USERS)
    found = await users.list_users(
        explained.as_pool(),
        sort_by=query.sort_by.value,
        descending=stretch.descending,
        offset=stretch.offset,
        limit=stretch.limit,
    )
    return found[::-1] if stretch.is_backwards else found


@pytest.mark.parametrize("sort_by", [SortBy.JOINED, SortBy.EMAIL])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("page", [1, 3, LAST_PAGE // 2, LAST_PAGE])
async def test_a_page_is_read_from_its_nearer_end_and_only_the_index_is_passed_over(
    many: asyncpg.Connection, sort_by: SortBy, descending: bool, page: int
) -> None:
    explained = Explained(many)
    found = await listed(explained, UserQuery("", sort_by, descending, page))
    passed_over = min(page - 1, LAST_PAGE - page) * ROWS_PER_PAGE
    assert len(found) == ROWS_PER_PAGE
    assert explained.rows_read("Seq Scan") == 0
    assert explained.rows_read("Index Only Scan") == passed_over + ROWS_PER_PAGE
    assert explained.rows_read("Index Scan") <= 2 * ROWS_PER_PAGE
    assert explained.rows_sorted <= ROWS_PER_PAGE


async def test_the_pages_together_are_the_list(many: asyncpg.Connection) -> None:
    wanted = await many.fetch("SELECT user_id FROM accounts ORDER BY user_id DESC")
    for page in (1, LAST_PAGE // 2, LAST_PAGE // 2 + 1, LAST_PAGE):
        query = UserQuery("", SortBy.JOINED, page=page)
        shown = [user.user_id for user in await listed(Explained(many), query)]
        assert shown == [row["user_id"] for row in wanted[query.offset : query.offset + ROWS_PER_PAGE]]


@pytest.mark.parametrize(
    ("text", "matches", "rows_read_max"),
    [
        ("USER.54321@", 1, 20),
        ("@company-7.example", 101, 500),
        ("00054321", 1, 20),
        ("nobody-at-all", 0, 20),
        ("company", MATCHES_MAX, 2 * MATCHES_MAX),
    ],
)
async def test_a_search_reads_what_it_finds(
    many: asyncpg.Connection, text: str, matches: int, rows_read_max: int
) -> None:
    explained = Explained(many)
    assert len(await users.search(explained.as_pool(), text, limit=MATCHES_MAX)) == matches
    assert explained.rows_read("Seq Scan") == 0
    assert explained.rows_read("Index Scan", "Bitmap Heap Scan") <= rows_read_max


async def test_nothing_in_a_search_stands_for_anything_else(many: asyncpg.Connection) -> None:
    for text in ("user_1@", "user%1@", "\\"):
        assert await users.search(Explained(many).as_pool(), text, limit=1) == []


async def test_what_an_erased_account_said_is_found_among_all_that_others_did(
    many: asyncpg.Connection,
) -> None:
    """Looked for every few seconds, for as long as an outbox keeps what it published."""
    now = utc_now()
    erase = "UPDATE accounts SET email = NULL, deleted_at = $1 WHERE user_id BETWEEN $2 AND $3"
    await many.execute(erase, now - PUBLISHED_KEPT, 1, 5_000)
    await many.execute(erase, now, 5_001, 5_003)
    await many.execute(EVENTS)
    explained = Explained(many)
    await accounts.forget_events_of_erased(explained.as_pool(), since=now)
    assert explained.rows_read("Seq Scan") == 0
    assert explained.rows_read() <= 100
    assert await many.fetchval("SELECT count(*) FROM outbox") == EVENTS_COUNT - 3
