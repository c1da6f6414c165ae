"""The delivery engine of the stand-ins: as the providers do it, and as badly as it is told to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
import stripe
from fastapi import FastAPI, Request
from fastapi.responses import Response

from deploy.local.fakes.app import Fakes
from deploy.local.fakes.delivery import Manner
from deploy.local.tests.test_fakes import SETTINGS
from tests.support.eventually import eventually
from tests.support.in_process import loopback_socket, serving, url_of

INVOICE = {"storeId": "store", "amount": "2.00", "currency": "USD", "metadata": {}}


@dataclass
class Receiver:
    """Answers with `statuses` in turn, then 200, and keeps what came."""

    statuses: list[int] = field(default_factory=list)
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.posts.append((dict(request.headers), await request.body()))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    async def got(self, count: int) -> None:
        async def has_them() -> bool:
            return len(self.posts) >= count

        await eventually(has_them)
        assert len(self.posts) == count


@dataclass
class Scene:
    fakes: Fakes
    receiver: Receiver


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    receiver, app, at = Receiver(), FastAPI(), loopback_socket()
    app.add_api_route("/{path:path}", receiver.take, methods=["POST"])
    settings = replace(
        SETTINGS,
        stripe_hook=f"{url_of(at)}/stripe/webhook",
        btcpay_hook=f"{url_of(at)}/btcpay/webhook",
    )
    fakes = Fakes(settings)
    async with serving(app, at), serving(fakes.app(), loopback_socket()):
        yield Scene(fakes, receiver)


def announce(scene: Scene, *types: str) -> None:
    for event_type in types:
        scene.fakes.stripe_events.announce(event_type, {"id": "ch_000000000001", "object": "charge"})


async def noted(scene: Scene, statuses: list[int]) -> None:
    """The sender hears of an answer a moment after the receiver gave it."""

    async def has_noted() -> bool:
        return scene.fakes.engine.deliveries[0].statuses == statuses

    await eventually(has_noted)


async def test_an_event_is_signed_as_the_library_checks_it(scene: Scene) -> None:
    announce(scene, "charge.refunded")
    await scene.receiver.got(1)
    headers, body = scene.receiver.posts[0]
    event = stripe.Webhook.construct_event(body, headers["stripe-signature"], "whsec_1")
    assert event.type == "charge.refunded"


async def test_what_is_refused_is_delivered_again_until_it_is_taken(scene: Scene) -> None:
    scene.receiver.statuses = [500, 400]
    announce(scene, "charge.refunded")
    await scene.receiver.got(3)
    await noted(scene, [500, 400, 200])


async def test_btcpay_delivers_again_under_a_new_id_and_only_after_a_failure_of_the_server(
    scene: Scene,
) -> None:
    scene.receiver.statuses = [503, 200, 400]
    for _ in range(2):
        scene.fakes.btcpay.add(dict(INVOICE), expiration_minutes=15, monitoring_minutes=60)
        await scene.receiver.got(2 if len(scene.receiver.posts) < 2 else 3)
    first, again = [body for _, body in scene.receiver.posts[:2]]
    assert b'"isRedelivery": false' in first
    assert b'"isRedelivery": true' in again
    assert [each.statuses for each in scene.fakes.engine.deliveries] == [[503, 200], [400]]


async def test_it_can_triple_drop_delay_and_turn_round(scene: Scene) -> None:
    engine = scene.fakes.engine
    engine.manner = Manner(copies=3)
    announce(scene, "tripled")
    await scene.receiver.got(3)
    engine.manner = Manner(drops=True)
    announce(scene, "dropped")
    engine.manner = Manner(delay_seconds=0.1)
    announce(scene, "delayed")
    engine.manner = Manner(reorders=True)
    announce(scene, "first", "second")
    await scene.receiver.got(6)
    came = [body.split(b'"type": "')[1].split(b'"')[0] for _, body in scene.receiver.posts[3:]]
    assert came == [b"delayed", b"second", b"first"]


async def test_it_can_sign_wrongly(scene: Scene) -> None:
    scene.fakes.engine.manner = Manner(signs_wrongly=True)
    scene.receiver.statuses = []
    announce(scene, "charge.refunded")
    await scene.receiver.got(1)
    headers, body = scene.receiver.posts[0]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, headers["stripe-signature"], "whsec_1")


async def test_thin_events_name_the_object_and_carry_nothing_of_it(scene: Scene) -> None:
    scene.fakes.stripe_events.format = "both"
    announce(scene, "charge.refunded")
    await scene.receiver.got(2)
    [thin] = [body for _, body in scene.receiver.posts if b"v2.core.event" in body]
    assert b'"related_object": {"id": "ch_000000000001", "type": "charge"' in thin
    assert b'"data"' not in thin
