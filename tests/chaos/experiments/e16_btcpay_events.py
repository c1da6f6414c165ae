"""BTCPay's webhooks come three times, never, or signed by a stranger; invoices are paid over, in part, late, marked by
hand, or named by somebody else's. Only what was paid as agreed is credited, and what is doubtful waits for a human."""

import asyncio
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

import asyncpg

from deploy.local.fakes.btcpay_store import BtcpayStore, Invoice
from deploy.local.fakes.delivery import HONEST, MANNERS
from shared.ids import new_uuid7
from tests.chaos.experiments.e15_stripe_events import send_all_again
from tests.chaos.history import Ordered, now
from tests.chaos.http_client import post
from tests.chaos.load.crowd import Size
from tests.chaos.load.people import FORM
from tests.chaos.quiet import until_quiet
from tests.chaos.reconcile import reconcile
from tests.chaos.scene import Experiment, Scene
from tests.support.eventually import eventually

REFUSED_WITHIN_SECONDS = 60
STATES = {
    ("New", "None"): "open",
    ("Settled", "None"): "paid",
    ("Settled", "PaidOver"): "paid",
    ("Settled", "PaidLate"): "review",
    ("Settled", "Marked"): "review",
    ("Expired", "PaidPartial"): "review",
    ("Invalid", "Marked"): "failed",
}
"""What an order is to be, by what is true at BTCPay (docs/orders.md)."""


def _settle(store: BtcpayStore, invoice: Invoice) -> None:
    store.pay(invoice)
    store.settle(invoice)


def _pay_over(store: BtcpayStore, invoice: Invoice) -> None:
    store.pay(invoice, "1.5")
    store.settle(invoice)


def _pay_in_part(store: BtcpayStore, invoice: Invoice) -> None:
    store.pay(invoice, "0.5")
    store.expire(invoice)


def _pay_late(store: BtcpayStore, invoice: Invoice) -> None:
    store.expire(invoice)
    store.pay(invoice)
    store.settle(invoice)


def _pay_a_cent_in_its_name(store: BtcpayStore, invoice: Invoice) -> None:
    """As somebody else of the same store may: an invoice whose metadata names another's order."""
    copied = {name: invoice[name] for name in ("storeId", "currency", "metadata", "checkout")}
    _settle(store, store.add({**copied, "amount": "0.01"}, expiration_minutes=15, monitoring_minutes=15))


def _walk_away(_: BtcpayStore, __: Invoice) -> None:
    """Never paid."""


FATES: tuple[Callable[[BtcpayStore, Invoice], None], ...] = (
    _settle,
    _pay_over,
    _pay_in_part,
    _pay_late,
    _pay_a_cent_in_its_name,
    _walk_away,
    BtcpayStore.mark_settled,
    BtcpayStore.mark_invalid,
)


async def shop(scene: Scene) -> None:
    deliveries = scene.chaos.fakes.engine.deliveries
    await _shop(scene, "three copies of each")
    unheard_from = len(deliveries)
    await _shop(scene, "never")
    forged_from = len(deliveries)
    await _shop(scene, "wrongly signed")
    forged = deliveries[forged_from:]

    async def are_answered() -> bool:
        return all(each.statuses and each.is_final(each.statuses[-1]) for each in forged)

    await eventually(are_answered, REFUSED_WITHIN_SECONDS)
    if taken := sum(each.is_taken for each in forged):
        scene.found("I7", f"{taken} events that were wrongly signed were taken")
    del deliveries[unheard_from:]  # nobody waits for them


async def _shop(scene: Scene, manner: str) -> None:
    engine = scene.chaos.fakes.engine
    async with scene.fault(f"webhooks of BTCPay: {manner}", "payments"):
        engine.manner = MANNERS[manner]
        await asyncio.gather(*(_buy(scene, number) for number in range(len(FATES))))
        engine.manner = HONEST


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
    await scene.pause(0, 1)
    FATES[number](store, store.invoices[invoice_id])


async def make_up_for_them(scene: Scene) -> None:
    """Reconciliation finds what nobody told; told again by all that was ever told, nothing changes."""
    await reconcile(scene.chaos)
    await send_all_again(scene)
    await until_quiet(scene.chaos, scene.crowd.accounts)
    states = await _states(scene)
    for ordered in scene.history.ordered:
        invoice = scene.chaos.fakes.btcpay.invoices[ordered.provider_id]
        truth, state = (invoice["status"], invoice["additionalStatus"]), states[ordered.purchase_id]
        if state != STATES[truth]:
            scene.found("I7", f"order {ordered.purchase_id} is {state}, and at BTCPay {' '.join(truth)}")


async def _states(scene: Scene) -> dict[str, str]:
    connection = await asyncpg.connect(scene.chaos.backing.postgres)
    try:
        rows = await connection.fetch("SELECT order_id::text, state FROM billing.orders")
        return {row["order_id"]: row["state"] for row in rows}
    finally:
        await connection.close()


EXPERIMENT = Experiment(
    name="E16",
    title="BTCPay's webhooks tripled, lost, forged; invoices overpaid, partly paid, late, marked by hand, named by others",
    nemesis=shop,
    after=make_up_for_them,
    harms_serving=False,
    size=Size(sells=False, clients=6),
    seconds=8,
    shown_by="an order paid and not credited; an order credited and never paid; another amount than was ordered",
)
