"""Money in, tokens out, over the whole system: checkout, pay page, webhook, ledger, balance; and money back."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.person import Person
from tests.support.stack import Stack

STARTER = 5_000_000
PROGRAM = {"accept": "application/json"}
CREDITED_WITHIN_SECONDS = 15
"""Also where a worker dies with an event in hand (10 s)."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """A person who buys with a key, and what the stand-ins' pay pages do."""

    person: Person
    stack: Stack

    async def order(self, method: str) -> str:
        """The pay page's address."""
        form = {"pack": "starter", "method": method, "key": self.person.key}
        async with httpx.AsyncClient(base_url=self.stack.base_url, timeout=30) as client:
            reply = await client.post("/checkout", data=form, headers=PROGRAM)
        assert reply.status_code == 303, reply.text
        assert self.person.key not in reply.headers["location"]
        return reply.headers["location"]

    async def choose(self, page: str, **fields: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=30) as client:
            return await client.post(page, data=fields)

    async def buy(self, method: str) -> str:
        page = await self.order(method)
        await self.choose(page, outcome="pay")
        return page

    async def has(self, **expected: int) -> None:
        """In the ledger; then, once that is mirrored, in the answer of /v1/balance. Asking only the latter would run
        into the key's limit."""
        account = f"/internal/accounts/{self.person.key[3:11]}"

        async with self.internally("metering") as metering, self.person.client() as customer:

            async def is_posted() -> bool:
                balance = (await metering.get(f"{account}/balance")).json()
                assert {name: balance.get(name) for name in expected} == expected, balance
                return True

            await eventually(is_posted, within_seconds=CREDITED_WITHIN_SECONDS)
            assert (await metering.post(f"{account}/mirror")).status_code == 204
            balance = (await customer.get("/v1/balance")).json()
        assert {name: balance[name] for name in expected} == expected

    def internally(self, service: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.stack.secret('INTERNAL_TOKEN')}"}
        return httpx.AsyncClient(base_url=self.stack.private_url(service), headers=headers, timeout=60)

    async def reconcile(self) -> dict[str, int]:
        """As `make reconcile` does."""
        async with self.internally("billing") as billing:
            return dict((await billing.post("/internal/reconcile")).json())


@pytest.fixture
async def shopper(person: Person, stack: Stack) -> Shopper:
    await person.register()
    return Shopper(person, stack)


@pytest.mark.parametrize("method", ["stripe", "btcpay"])
async def test_who_pays_has_the_tokens_and_a_receipt(shopper: Shopper, method: str) -> None:
    page = await shopper.order(method)
    shown = await shopper.choose(page)
    assert "no money moves" in shown.text
    paid = await shopper.choose(page, outcome="pay")
    assert paid.status_code == 303
    assert urlsplit(paid.headers["location"]).path.startswith("/purchases/")
    await shopper.has(paid=STARTER, debt=0)
    async with httpx.AsyncClient(timeout=30) as client:
        receipt = await client.post(paid.headers["location"], data={"key": shopper.person.key})
    assert "Receipt" in receipt.text
    assert shopper.person.address in receipt.text


@pytest.mark.parametrize("manner", ["three copies of each", "the wrong way round"])
async def test_however_events_arrive_the_credit_comes_once(shopper: Shopper, manner: str) -> None:
    page = await shopper.order("stripe")
    await shopper.choose(page, manner=manner, format="both")
    await shopper.choose(page, outcome="pay")
    await shopper.choose(page, outcome="refund half")
    await shopper.choose(page, manner="honest", format="snapshot")
    await shopper.has(paid=STARTER // 2, debt=0)


@pytest.mark.parametrize("method", ["stripe", "btcpay"])
async def test_a_lost_webhook_costs_no_purchase(shopper: Shopper, method: str) -> None:
    page = await shopper.order(method)
    await shopper.choose(page, manner="never")
    await shopper.choose(page, outcome="pay")
    await shopper.choose(page, manner="honest")
    await shopper.reconcile()
    await shopper.has(paid=STARTER)


async def test_a_refund_of_what_was_spent_is_a_debt_that_the_next_purchase_pays(shopper: Shopper) -> None:
    page = await shopper.buy("stripe")
    await shopper.has(paid=STARTER)
    spent = STARTER - 1000
    async with httpx.AsyncClient(base_url=shopper.stack.base_url, timeout=30) as client:
        form = {"key": shopper.stack.admin_key, "email": shopper.person.address, "delta": f"-{spent}"}
        assert (await client.post("/admin/adjust", data=form)).status_code == 200
    await shopper.choose(page, outcome="refund the rest")
    await shopper.has(paid=0, debt=spent)
    await shopper.buy("btcpay")
    await shopper.has(paid=STARTER - spent, debt=0)


async def test_half_a_payment_waits_for_the_operator_who_credits_the_half(shopper: Shopper) -> None:
    page = await shopper.order("btcpay")
    await shopper.choose(page, outcome="pay half")
    await shopper.choose(page, outcome="let it expire")
    async with shopper.internally("billing") as billing:

        async def my_review() -> str | None:
            reviews = (await billing.get("/internal/reviews")).json()["reviews"]
            mine = [each for each in reviews if each["purchase"]["account_id"] == shopper.person.key[3:11]]
            return str(mine[0]["review_id"]) if mine else None

        review_id = await eventually(my_review, within_seconds=CREDITED_WITHIN_SECONDS)
    async with httpx.AsyncClient(base_url=shopper.stack.base_url, timeout=30) as client:
        shown = await client.get("/admin/reviews", params={"key": shopper.stack.admin_key})
        assert "paid_partly: paid 0.25 USD of 0.50 USD" in shown.text
        form = {"key": shopper.stack.admin_key, "review_id": str(review_id), "decision": "credit_part"}
        assert (await client.post("/admin/reviews/decide", data=form)).status_code == 200
    await shopper.has(paid=STARTER // 2)


async def test_a_dispute_keeps_the_pack_from_being_spent_until_it_is_won(shopper: Shopper) -> None:
    page = await shopper.buy("stripe")
    await shopper.has(paid=STARTER)
    await shopper.choose(page, outcome="dispute")
    await shopper.has(paid=0)
    await shopper.choose(page, outcome="dispute won")
    await shopper.has(paid=STARTER)


async def test_billing_killed_after_it_took_an_event_credits_it_when_it_is_back(shopper: Shopper) -> None:
    page = await shopper.order("btcpay")
    await shopper.choose(page, outcome="pay")
    shopper.stack.kill("billing")
    shopper.stack.restart("billing")
    await shopper.has(paid=STARTER)


async def test_what_the_ledger_has_is_what_was_sold(shopper: Shopper) -> None:
    await shopper.buy("stripe")
    await shopper.has(paid=STARTER)
    findings = await shopper.reconcile()
    assert findings["ledger_checked"] >= 1
    assert (findings["ledger_differences"], findings["unanswered"]) == (0, 0)
