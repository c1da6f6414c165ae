"""GET /metrics, on the private port only: the edge answers 404."""

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from services.billing.domain.orders import State
from services.billing.use_cases.read_purchases import ReadPurchases

ORDERS = Gauge("promptly_billing_orders", "Orders by state.", ("state",))
REVIEWS_OPEN = Gauge("promptly_billing_reviews_open", "Questions about orders that wait for a human.")
EVENTS_WAITING = Gauge("promptly_billing_events_waiting", "Acknowledged events that are not followed yet.")
OLDEST_EVENT = Gauge("promptly_billing_oldest_event_seconds", "How long the oldest of them has waited.")


def metrics_router(purchases: ReadPurchases) -> APIRouter:
    router = APIRouter()

    @router.get("/metrics")
    async def metrics() -> Response:
        state = await purchases.state()
        for each in State:
            ORDERS.labels(each.value).set(state.orders.get(each.value, 0))
        REVIEWS_OPEN.set(state.reviews_open)
        EVENTS_WAITING.set(state.events_waiting)
        OLDEST_EVENT.set(state.oldest_event_seconds)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
