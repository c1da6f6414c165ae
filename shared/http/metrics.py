"""What this process counts, for Prometheus: `/metrics` on a service's own port. The edge answers 404 there."""

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


def add_metrics(app: FastAPI) -> None:
    app.add_api_route("/metrics", _metrics)


async def _metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
