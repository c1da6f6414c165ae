"""What the operator's forms do, from curl and from the panel, and what stands in the audit log of it."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from services.accounts.tests.accounts_process import ADMIN_KEY, Accounts, serving
from services.accounts.tests.browser import OWN_FORM
from services.accounts.tests.conftest import SettingsFactory
from services.accounts.tests.facts import refused_mail, review
from services.accounts.tests.neighbours import Neighbours
from services.accounts.tests.test_admin_door import signed_in
from tests.support.eventually import eventually

JSON = {"accept": "application/json"}


async def send(accounts: Accounts, form: str, **fields: Any) -> httpx.Response:
    """As curl would with `Accept: application/json`."""
    return await accounts.http.post(f"/admin/{form}", data={"key": ADMIN_KEY, **fields}, headers=JSON)


async def user_of(accounts: Accounts, neighbours: Neighbours, email: str, **balance: int) -> tuple[int, str]:
    """A registered user that the ledger knows: number and key."""
    key = await accounts.new_key(email)
    neighbours.knows(key[3:11], **balance)
    return await number_of(accounts, key), key


async def number_of(accounts: Accounts, key: str) -> int:
    found: int = await accounts.database.fetchval(
        "SELECT user_id FROM accounts WHERE account_id = $1", key[3:11]
    )
    return found


async def test_tokens_are_added_by_address_and_taken_by_number(
    panel: Accounts, neighbours: Neighbours
) -> None:
    user_id, _ = await user_of(panel, neighbours, "adjust@example.com", paid=100)
    added = await send(panel, "adjust", email="adjust@Example.com", delta="+50")
    taken = await send(panel, "adjust", user_id=user_id, delta="-30")
    assert (added.status_code, added.json()["balance"]["paid"]) == (200, 150)
    assert (taken.status_code, taken.json()["balance"]["paid"]) == (200, 120)
    assert (taken.json()["user_id"], taken.json()["email"]) == (user_id, "adjust@example.com")


async def test_a_person_sees_the_result_in_the_page(panel: Accounts, neighbours: Neighbours) -> None:
    await user_of(panel, neighbours, "page@example.com", paid=100)
    page = await panel.http.post(
        "/admin/adjust",
        content=f"key={ADMIN_KEY}&email=page%40example.com&delta=1000&",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert page.status_code == 200
    assert "+1,000 tokens" in page.text
    assert "1,100" in page.text


async def test_the_key_may_stand_in_the_address_of_a_form(panel: Accounts, neighbours: Neighbours) -> None:
    await user_of(panel, neighbours, "query@example.com")
    reply = await panel.http.post(
        "/admin/grant",
        params={"key": ADMIN_KEY},
        data={"email": "query@example.com", "tokens": "500", "days": "3"},
        headers=JSON,
    )
    assert (reply.status_code, reply.json()["balance"]["trial"]) == (200, 500)


@pytest.mark.parametrize(
    ("form", "fields", "param"),
    [
        ("adjust", {"delta": "0"}, "delta"),
        ("adjust", {"delta": "many"}, "delta"),
        ("adjust", {"delta": "1.5"}, "delta"),
        ("adjust", {"delta": "-+5"}, "delta"),
        ("adjust", {"delta": "--5"}, "delta"),
        ("adjust", {"delta": "9" * 30}, "delta"),
        ("adjust", {"delta": "1000000000001"}, "delta"),
        ("adjust", {}, "delta"),
        ("grant", {"tokens": "-1", "days": "7"}, "tokens"),
        ("grant", {"tokens": "1", "days": "0"}, "days"),
        ("grant", {"tokens": "1", "days": "99999"}, "days"),
        ("adjust", {"delta": "1", "action_id": "x"}, "action_id"),
    ],
)
async def test_a_number_that_cannot_be_is_400_with_the_reason(
    panel: Accounts, neighbours: Neighbours, form: str, fields: dict[str, str], param: str
) -> None:
    await user_of(panel, neighbours, "number@example.com")
    reply = await send(panel, form, email="number@example.com", **fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_more_than_there_is_cannot_be_taken(panel: Accounts, neighbours: Neighbours) -> None:
    user_id, _ = await user_of(panel, neighbours, "less@example.com", paid=10)
    reply = await send(panel, "adjust", user_id=user_id, delta="-11")
    assert reply.status_code == 400
    assert "More is to be taken" in reply.json()["error"]["message"]
    assert (await audit_of(panel))[-1]["outcome"] == "refused"


@pytest.mark.parametrize("fields", [{"user_id": "999999"}, {"email": "nobody@example.com"}, {"email": "x"}])
@pytest.mark.parametrize("form", ["adjust", "grant", "delete", "block", "new-key"])
async def test_an_unknown_user_is_404(panel: Accounts, form: str, fields: dict[str, str]) -> None:
    assert (await send(panel, form, delta="1", tokens="1", days="1", **fields)).status_code == 404


async def test_neither_number_nor_address_is_400(panel: Accounts) -> None:
    assert (await send(panel, "delete")).status_code == 400


async def test_a_form_sent_twice_is_done_once(panel: Accounts, neighbours: Neighbours) -> None:
    user_id, _ = await user_of(panel, neighbours, "twice@example.com", paid=0)
    action_id = uuid4()
    replies = [
        await send(panel, "adjust", user_id=user_id, delta="70", action_id=action_id) for _ in range(2)
    ]
    assert [reply.json()["balance"]["paid"] for reply in replies] == [70, 70]
    assert "done before" in replies[1].json()["result"]


async def test_who_registered_a_moment_ago_is_waited_for(panel: Accounts, neighbours: Neighbours) -> None:
    key = await panel.new_key("moment@example.com")
    asking = asyncio.create_task(send(panel, "adjust", email="moment@example.com", delta="5"))

    async def was_asked() -> bool:
        return key[3:11] in neighbours.asked_in_vain

    await eventually(was_asked)
    neighbours.knows(key[3:11])
    assert (await asking).json()["balance"]["paid"] == 5


async def test_while_the_ledger_is_away_nothing_is_said_to_be_done(accounts: Accounts) -> None:
    await accounts.new_key("away@example.com")
    reply = await send(accounts, "adjust", email="away@example.com", delta="5")
    assert reply.status_code == 503
    assert (await audit_of(accounts))[-1]["outcome"] == "failed"


async def test_a_review_is_decided_and_a_mail_sent_again(panel: Accounts, neighbours: Neighbours) -> None:
    neighbours.reviews, neighbours.mails = [review("AAAAAAAA")], [refused_mail("AAAAAAAA")]
    assert (await send(panel, "reviews/decide", review_id="r-1", decision="credit")).status_code == 200
    assert neighbours.decided == [("r-1", "credit")]
    assert (await send(panel, "reviews/decide", review_id="r-2", decision="credit")).status_code == 400
    assert (await send(panel, "mails/resend", mail_id="m-1")).status_code == 200
    for other in ("", "m\0", "../m-1", "m-1/resend?", "ä", "m" * 65):
        assert (await send(panel, "mails/resend", mail_id=other)).status_code == 400
        assert (await send(panel, "reviews/decide", review_id=other, decision="credit")).status_code == 400
        assert (await send(panel, "reviews/decide", review_id="r-1", decision=other)).status_code == 400
    assert neighbours.resent == ["m-1"]


async def test_every_action_is_in_the_audit_log_without_an_address(
    panel: Accounts, neighbours: Neighbours
) -> None:
    user_id, key = await user_of(panel, neighbours, "audit@example.com", paid=10)
    await send(panel, "adjust", user_id=user_id, delta="5", reason="a gift")
    await send(panel, "block", user_id=user_id)
    await send(panel, "delete", user_id=user_id)
    adjust, block, delete = (await audit_of(panel))[-3:]
    assert (adjust["action"], block["action"], delete["action"]) == ("adjust", "block", "delete")
    assert (adjust["signed_in_by"], adjust["client_address"]) == ("key", "127.0.0.1")
    assert json.loads(adjust["what"]) == {"delta": 5, "reason": "a gift"}
    assert json.loads(adjust["before"])["paid"] == 10
    assert json.loads(adjust["after"])["paid"] == 15
    assert {each["account_id"] for each in (adjust, block, delete)} == {key[3:11]}
    assert {each["outcome"] for each in (adjust, block, delete)} == {"done"}
    assert "audit@" not in str([dict(each) for each in await audit_of(panel)])
    page = (await panel.http.get("/admin/audit", params={"key": ADMIN_KEY})).text
    assert "a gift" in page
    assert "127.0.0.1" in page


async def test_a_reason_that_names_the_person_is_written_down_without_the_address(
    panel: Accounts, neighbours: Neighbours
) -> None:
    user_id, _ = await user_of(panel, neighbours, "named@example.com")
    reason = "asked by Named@Example.com\0"
    assert (await send(panel, "adjust", user_id=user_id, delta="5", reason=reason)).status_code == 200
    assert json.loads((await audit_of(panel))[-1]["what"])["reason"] == f"asked by user {user_id}"


async def test_by_cookie_the_same_forms_work(panel: Accounts, neighbours: Neighbours) -> None:
    user_id, _ = await user_of(panel, neighbours, "cookie@example.com", paid=1)
    token = await signed_in(panel)
    reply = await panel.http.post(
        "/admin/adjust", data={"form_token": token, "user_id": user_id, "delta": "2"}, headers=OWN_FORM
    )
    assert reply.status_code == 200
    assert (await audit_of(panel))[-1]["signed_in_by"] == "session"


async def test_the_audit_log_cannot_be_rewritten(settings_with: SettingsFactory, redis: Redis) -> None:
    async with serving(settings_with(), redis) as accounts:
        for statement in ("DELETE FROM admin_actions", "UPDATE admin_actions SET action = 'x'"):
            with pytest.raises(Exception, match="permission denied"):
                await accounts.database.execute(statement)


async def audit_of(accounts: Accounts) -> list[Any]:
    found: list[Any] = await accounts.database.fetch("SELECT * FROM admin_actions ORDER BY begun_at")
    return found


async def everything_stored(accounts: Accounts) -> str:
    names = await accounts.database.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    )
    rows = [
        await accounts.database.fetch(f'SELECT t::text FROM "{each["tablename"]}" t')  # noqa: S608
        for each in names
    ]
    in_redis = [await accounts.redis.dump(name) async for name in accounts.redis.scan_iter("*")]
    return "\n".join(row[0] for table in rows for row in table) + str(in_redis)
