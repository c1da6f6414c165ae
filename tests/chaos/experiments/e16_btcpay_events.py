"""BTCPay's webhooks never come: reconciliation finds what was paid. Overpaid, partly paid, late, marked by hand and
forged ones are for a human, and credit nothing by themselves."""

import asyncio
from urllib.parse import urlencode, urlsplit

from deploy.local.fakes.delivery import MANNERS
from shared.ids import new_uuid7
from tests.chaos.history import Ordered, now
from tests.chaos.http_client import post
from tests.chaos.load.crowd import Size
from tests.chaos.load.people import FORM
from tests.chaos.reconcile import reconcile
from tests.chaos.scene import Experiment, Scene

PURCHASES = 10


async def shop_unheard(scene: Scene) -> None:
    engine = scene.chaos.fakes.engine
    async with scene.fault("webhooks lost for ever", "payments"):
        engine.manner = MANNERS["never"]
        await asyncio.gather(*(_buy(scene, number) for number in range(PURCHASES)))
    engine.deliveries[:] = [
        each for each in engine.deliveries if each.is_taken
    ]  # nobody waits for the lost ones


async def _buy(scene: Scene, number: int) -> None:
    account = scene.crowd.accounts[number % len(scene.crowd.accounts)]
    order_id = str(new_uuid7())
    form = {"pack": "starter", "method": "btcpay", "key": account.key, "order": order_id}
    reply = await post(scene.chaos.base_url + "/checkout", urlencode(form).encode(), FORM)
    if reply.status != 303:
        return
    invoice_id = urlsplit(reply.json()["checkout_url"]).path.rsplit("/", 1)[-1]
    scene.history.note(Ordered(order_id, invoice_id, "btcpay", account.account_id, now()))
    store = scene.chaos.fakes.btcpay
    invoice = store.invoices[invoice_id]
    await scene.pause(0, 1)
    if number % 2:
        store.pay(invoice)
        store.settle(invoice)


async def make_up_for_them(scene: Scene) -> None:
    await reconcile(scene.chaos)


EXPERIMENT = Experiment(
    name="E16",
    title="BTCPay's webhooks are lost for ever",
    nemesis=shop_unheard,
    after=make_up_for_them,
    harms_serving=False,
    size=Size(sells=False, clients=6),
    seconds=8,
    shown_by="an order paid and not credited; an order credited and never paid",
)
