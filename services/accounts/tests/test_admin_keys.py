"""The operator replaces somebody's mailed key: by mail, or by hand where no mail goes out; once, however often asked."""

import asyncio
from uuid import uuid4

import pytest

from services.accounts.tests.accounts_process import Accounts
from services.accounts.tests.neighbours import Neighbours
from services.accounts.tests.test_admin_forms import JSON, everything_stored, send, user_of
from tests.support.eventually import eventually


async def test_a_new_key_goes_by_mail(panel: Accounts, neighbours: Neighbours) -> None:
    user_id, old = await user_of(panel, neighbours, "mail@example.com")
    assert (await send(panel, "new-key", user_id=user_id, delivery="mail")).status_code == 200
    new = (await panel.keys_of("mail@example.com"))[-1]
    assert (await panel.state_of(old), await panel.state_of(new)) == ("revoked", "active")


async def test_a_new_key_is_shown_only_where_no_mail_goes_out(
    panel: Accounts, neighbours: Neighbours
) -> None:
    user_id, old = await user_of(panel, neighbours, "show@example.com")
    assert (await send(panel, "new-key", user_id=user_id, delivery="show")).status_code == 400
    neighbours.mail_door = "folder"
    new = (await send(panel, "new-key", user_id=user_id, delivery="show")).json()["key"]
    assert (await panel.state_of(old), await panel.state_of(new)) == ("revoked", "active")
    assert new not in await everything_stored(panel)


@pytest.mark.parametrize("delivery", ["mail", "show"])
async def test_a_form_for_a_new_key_that_is_sent_twice_at_once_makes_one(
    panel: Accounts, neighbours: Neighbours, delivery: str
) -> None:
    email = f"{delivery}.at.once@example.com"
    user_id, _ = await user_of(panel, neighbours, email)
    neighbours.mail_door, form = "folder", {"user_id": user_id, "delivery": delivery, "action_id": uuid4()}
    replies = await asyncio.gather(*(send(panel, "new-key", **form) for _ in range(5)))
    assert [reply.status_code for reply in replies] == [200] * 5
    assert sum("done before" in reply.text for reply in replies) == 4
    made = "SELECT count(*) FROM api_keys JOIN accounts USING (account_id) WHERE email = $1"
    assert await panel.database.fetchval(made, email) == 2


async def test_no_key_comes_after_the_deletion_of_its_account(accounts: Accounts) -> None:
    """Who asked was known a moment before, and waits for the account while it is being erased."""
    key = await accounts.new_key("race@example.com")
    async with accounts.database.transaction():
        await accounts.database.execute(
            "UPDATE accounts SET email = NULL, deleted_at = now() WHERE account_id = $1", key[3:11]
        )
        making = asyncio.create_task(accounts.http.post("/dashboard/keys", data={"key": key}, headers=JSON))

        async def is_waiting() -> bool:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return bool(await accounts.database.fetchval(waiting))

        await eventually(is_waiting)
    reply = await making
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "account_erased")
