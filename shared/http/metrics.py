"""What this process counts, for Prometheus: `/metrics` on a service's own port. The edge answers 404 there.

Labels are routes, states and kinds: never a key, an account, an address or a text. What has a value at any moment
is read in the moment in which it is asked for; what cannot be read then is left out and told of.
"""

import asyncio
import platform
from collections.abc import Awaitable, Callable, Iterable

import structlog
from fastapi import FastAPI, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

READING_TIMEOUT_SECONDS = 3.0
"""Prometheus itself waits for ten."""

Reading = Callable[[], Awaitable[Iterable[Metric]]]

BUILD = Gauge("promptly_build_info", "Always 1: what runs here.", ("service", "version", "python"))
UNREAD = Counter(
    "promptly_readings_failed", "Figures that could not be read when they were asked for.", ("reading",)
)

log = structlog.get_logger()


class Readings:
    """Named, added as the service opens what they are read from."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}

    def add(self, name: str, reading: Reading) -> None:
        self._readings[name] = reading

    async def read(self) -> list[Metric]:
        answers = await asyncio.gather(*(_read(name, reading) for name, reading in self._readings.items()))
        return [metric for metrics in answers for metric in metrics]


def tell_build(service: str, version: str) -> None:
    BUILD.labels(service, version, platform.python_version()).set(1)


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value)


def gauges(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    """One for each value of a label."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for of, value in values:
        family.add_metric((of,), value)
    return family


def add_metrics(app: FastAPI, readings: Readings) -> None:
    async def metrics() -> Response:
        registry = CollectorRegistry()
        registry.register(_Read(await readings.read()))
        return Response(generate_latest(REGISTRY) + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/metrics", metrics)


class _Read(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def _read(name: str, reading: Reading) -> Iterable[Metric]:
    try:
        async with asyncio.timeout(READING_TIMEOUT_SECONDS):
            return await reading()
    except Exception as error:  # noqa: BLE001  whatever a part raises, the other figures are told
        UNREAD.labels(name).inc()
        log.warning("figures_not_read", reading=name, reason=type(error).__name__)
        return ()
