"""Stripe's events three times each, shuffled, thin and as snapshots, badly signed by strangers, and all of them
once more when everything is over."""

import asyncio

from tests.chaos.http_client import post
from tests.chaos.scene import Experiment, Scene

FORGERIES: tuple[dict[str, str], ...] = (
    {},
    {"stripe-signature": ""},
    {"stripe-signature": "t=1,v1=00"},
    {"stripe-signature": "t=99999999999,v1=" + "0" * 64},
    {"stripe-signature": "v1=" + "0" * 64},
    {"stripe-signature": "t=x,v1=y"},
    {"btcpay-sig": "sha256=" + "0" * 64},
)
BUYERS = 6
PURCHASES_EACH = 4


async def shop(scene: Scene) -> None:
    async with scene.fault("events doubled, shuffled, thin", "payments"):
        await asyncio.gather(*(_buy(scene) for _ in range(BUYERS)), _forge(scene))


async def _buy(scene: Scene) -> None:
    for _ in range(PURCHASES_EACH):
        await scene.crowd.people.buy()
        await scene.pause(0, 0.5)


async def _forge(scene: Scene) -> None:
    for headers in FORGERIES:
        for path in ("/stripe/webhook", "/btcpay/webhook"):
            body = b'{"id":"evt_forged","type":"checkout.session.completed","data":{"object":{"id":"cs_test_x"}}}'
            heard = await post(
                scene.chaos.base_url + path, body, {**headers, "content-type": "application/json"}
            )
            if heard.status != 400:
                scene.found("I7", f"a forged event at {path} was answered {heard.status}")


async def send_all_again(scene: Scene) -> None:
    engine = scene.chaos.fakes.engine
    deliveries = list(engine.deliveries)
    scene.random.shuffle(deliveries)
    for delivery in deliveries:
        await engine.send_again(delivery)


EXPERIMENT = Experiment(
    name="E15",
    title="Stripe's events tripled, shuffled, thin, forged, and all again",
    nemesis=shop,
    after=send_all_again,
    harms_serving=False,
    shown_by="an order credited twice; a reversal that is not the provider's",
)
