"""The operator's pages: the list with its search, order and pages; a user; and what they show when a part is away."""

import re

import pytest

from services.accounts.domain.users import ROWS_PER_PAGE, SortBy, UserQuery, read_query
from services.accounts.tests.accounts_process import ADMIN_KEY, Accounts
from services.accounts.tests.facts import purchase, refused_mail, review
from services.accounts.tests.neighbours import Neighbours
from services.accounts.tests.test_admin_forms import number_of, user_of
from services.accounts.tests.test_pages import INLINE
from shared.clock import utc_now


async def page_of(accounts: Accounts, path: str = "/admin", **params: str) -> str:
    reply = await accounts.http.get(path, params={"key": ADMIN_KEY, **params})
    assert reply.status_code == 200, reply.text
    assert not INLINE.search(reply.text)
    return reply.text


def order_in(page: str, *emails: str) -> list[str]:
    found = re.findall(r'<span class="address">([^<]+)</span>', page)
    return [email for email in found if email in emails]


async def test_a_row_has_what_the_operator_looks_for(panel: Accounts, neighbours: Neighbours) -> None:
    user_id, key = await user_of(panel, neighbours, "row@example.com", trial=99_940, paid=5)
    page = await page_of(panel)
    assert re.search(
        rf'row@example\.com.{{0,120}}<input type="hidden" name="user_id" value="{user_id}">', page, re.S
    )
    for shown in (key[:12], "99,945", "99,940 left", str(utc_now().date())):
        assert shown in page


async def test_the_newest_users_come_first_and_each_order_is_its_own(
    panel: Accounts, neighbours: Neighbours
) -> None:
    await user_of(panel, neighbours, "b-order@example.com", paid=1)
    await user_of(panel, neighbours, "a-order@example.com", paid=3)
    await user_of(panel, neighbours, "c-order@example.com", paid=2)
    emails = [f"{letter}-order@example.com" for letter in "abc"]
    orders = {
        (): "cab",
        ("joined", "asc"): "bac",
        ("email", "asc"): "abc",
        ("email", "desc"): "cba",
        ("balance", "desc"): "acb",
        ("balance", "asc"): "bca",
    }
    for order, letters in orders.items():
        for search in ("", "order"):
            params = dict(zip(("sort", "direction"), order, strict=False))
            page = await page_of(panel, q=search, **params)
            assert order_in(page, *emails) == [f"{letter}-order@example.com" for letter in letters]


@pytest.mark.parametrize("search", ["Find.Me@", "find.me@example.com", "HANDLE", "sk-HANDLE"])
async def test_users_are_found_by_a_part_of_the_address_or_a_key(
    panel: Accounts, neighbours: Neighbours, search: str
) -> None:
    _, key = await user_of(panel, neighbours, "find.me@example.com")
    await user_of(panel, neighbours, "other@example.net")
    page = await page_of(panel, q=search.replace("HANDLE", key[3:11]))
    assert order_in(page, "find.me@example.com", "other@example.net") == ["find.me@example.com"]


async def test_of_a_key_that_was_pasted_into_the_search_the_page_has_the_beginning(
    panel: Accounts, neighbours: Neighbours
) -> None:
    _, key = await user_of(panel, neighbours, "pasted@example.com")
    page = await page_of(panel, q=key)
    assert order_in(page, "pasted@example.com") == ["pasted@example.com"]
    assert f'value="{key[:11]}"' in page
    assert key not in page


async def test_a_search_without_a_match_says_so_escaped(panel: Accounts) -> None:
    page = await page_of(panel, q="<b>%_nobody")
    assert "Nobody has an address like" in page
    assert "<b>%_nobody" not in page


async def test_a_long_list_has_pages(panel: Accounts, neighbours: Neighbours) -> None:
    await panel.as_owner(
        """
        INSERT INTO accounts (account_id, email, created_at, registered_at)
        SELECT lpad(n::text, 8, '0'), 'bulk' || n || '@example.com', now(), now() FROM generate_series(1, 120) n
        """
    )
    for number in range(1, 121):
        neighbours.knows(f"{number:08}", paid=number)
    first, last = await page_of(panel, q="bulk"), await page_of(panel, q="bulk", page="3")
    assert first.count('name="user_id"') == ROWS_PER_PAGE
    assert last.count('name="user_id"') == 20
    assert "Page 1 of 3" in first
    for behind in ({"q": "bulk"}, {}, {"sort": "balance"}):
        assert re.search(r"Page (\d) of \1<", await page_of(panel, page="9999", **behind))
    assert "bulk1@example.com" in last


async def test_a_users_page_has_everything_of_them(panel: Accounts, neighbours: Neighbours) -> None:
    user_id, key = await user_of(panel, neighbours, "whole@example.com", paid=7)
    neighbours.purchases = [purchase(key[3:11])]
    neighbours.mails = [refused_mail(key[3:11])]
    page = await page_of(panel, "/admin/user", user_id=str(user_id))
    for shown in ("whole@example.com", key[3:11], "by hand", "$6.00", "P-2026-0001", "550 no such user"):
        assert shown in page
    assert "accounts.key_issued.v1" in page
    assert key not in page


@pytest.mark.parametrize("user_id", ["", "0", "99999", "x", "9" * 40])
async def test_a_user_that_is_not_there_is_404(panel: Accounts, user_id: str) -> None:
    reply = await panel.http.get("/admin/user", params={"key": ADMIN_KEY, "user_id": user_id})
    assert reply.status_code == 404


async def test_reviews_and_failed_mails_wait_with_their_buttons(
    panel: Accounts, neighbours: Neighbours
) -> None:
    neighbours.reviews, neighbours.mails = [review("AAAAAAAA")], [refused_mail("AAAAAAAA")]
    assert "1 to review" in await page_of(panel)
    reviews = await page_of(panel, "/admin/reviews")
    assert "Paid 5.00 of 6.00." in reviews
    assert 'value="credit"' in reviews
    assert 'value="refund"' in reviews
    assert 'value="m-1"' in await page_of(panel, "/admin/mails")


async def test_empty_pages_say_that_nothing_waits(panel: Accounts) -> None:
    assert "Nothing waits for a decision." in await page_of(panel, "/admin/reviews")
    assert "Every mail was accepted." in await page_of(panel, "/admin/mails")


@pytest.mark.parametrize("path", ["/admin", "/admin/mails"])
async def test_the_panel_says_where_mails_go_and_what_is_wrong(
    panel: Accounts, neighbours: Neighbours, path: str
) -> None:
    assert "MAIL_DIR" not in await page_of(panel, path)
    neighbours.mail_door, neighbours.mail_fault = "folder", "<b>check SMTP_HOST"
    page = await page_of(panel, path)
    assert "MAIL_DIR" in page
    assert "&lt;b&gt;check SMTP_HOST" in page


async def test_every_page_lives_on_when_the_others_are_down(accounts: Accounts) -> None:
    key = await accounts.new_key("alone@example.com")
    user_id = str(await number_of(accounts, key))
    assert "Not shown at the moment: balances and usage" in await page_of(accounts)
    assert "alone@example.com" in await page_of(accounts, sort="balance")
    user = await page_of(accounts, "/admin/user", user_id=user_id)
    assert "Not shown at the moment: the ledger, purchases, mails" in user
    assert "Not shown at the moment: reviews" in await page_of(accounts, "/admin/reviews")
    assert "Not shown at the moment: mails" in await page_of(accounts, "/admin/mails")


def test_what_makes_no_sense_in_an_address_counts_as_not_given() -> None:
    assert read_query("", "hacked", "sideways", "-1") == UserQuery()
    assert read_query(" x ", "email", "", "2") == UserQuery("x", SortBy.EMAIL, descending=False, page=2)
    assert read_query("", "balance", "", "0").page == 1
