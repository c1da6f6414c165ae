"""Accounts that the operator blocks or deletes: refused at once; and of a deleted person nothing is left here."""

from services.accounts.tests.accounts_process import ADMIN_KEY, Accounts
from services.accounts.tests.neighbours import Neighbours
from services.accounts.tests.test_admin_forms import everything_stored, send, user_of
from services.accounts.tests.test_internal import all_accounts
from shared.contracts.accounts import AccountDeleted
from tests.support.eventually import eventually


async def test_a_blocked_user_is_refused_at_once_and_works_again_after(
    panel: Accounts, neighbours: Neighbours
) -> None:
    user_id, key = await user_of(panel, neighbours, "block@example.com")
    assert (await send(panel, "block", user_id=user_id)).status_code == 200
    assert await panel.state_of(key) == "revoked"
    assert (await panel.http.get("/dashboard", params={"key": key})).status_code == 401
    during = await panel.new_key("block@example.com")
    assert await panel.state_of(during) == "revoked"
    assert (await send(panel, "unblock", user_id=user_id)).status_code == 200
    assert (await panel.state_of(key), await panel.state_of(during)) == ("revoked", "active")


async def test_a_deleted_user_is_erased_and_refused_within_a_second(
    panel: Accounts, neighbours: Neighbours
) -> None:
    email = "erase.me@example.com"
    user_id, key = await user_of(panel, neighbours, email, paid=5)
    reply = await send(panel, "delete", user_id=user_id)
    assert (reply.status_code, reply.json()) == (200, {"user_id": user_id, "deleted": True})
    assert await panel.state_of(key) == "revoked"
    assert (await send(panel, "delete", user_id=user_id)).status_code == 404
    found = await panel.http.get("/admin", params={"key": ADMIN_KEY, "q": email})
    assert "Nobody has an address like" in found.text
    [event] = await panel.database.fetch("SELECT subject FROM outbox WHERE type = $1", AccountDeleted.TYPE)
    assert event["subject"] == key[3:11]
    assert key[3:11] in {each["account_id"] for each in await all_accounts(panel, limit=100)}

    async def nothing_names_the_person_not_even_sealed() -> bool:
        told = await panel.database.fetch("SELECT type FROM outbox WHERE subject = $1", key[3:11])
        is_forgotten = [each["type"] for each in told] == [AccountDeleted.TYPE]
        return is_forgotten and email not in await everything_stored(panel)

    await eventually(nothing_names_the_person_not_even_sealed, within_seconds=12)


async def test_who_comes_back_after_deletion_gets_an_account_but_no_second_trial(
    panel: Accounts, neighbours: Neighbours
) -> None:
    user_id, old = await user_of(panel, neighbours, "back@example.com")
    await send(panel, "delete", user_id=user_id)
    new = await panel.new_key("back@example.com")
    assert old[3:11] != new[3:11]
    assert (await panel.accounts_registered("back@example.com"))[-1].trial is None
