"""Histograms of how long requests take, for Prometheus. Each request adds several values: the usual ones take a lock
for each and look at bucket after bucket. These are of one thread, the event loop's."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Series:
    """Of one label's value."""

    __slots__ = ("_bounds", "counts", "total_seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total_seconds = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total_seconds += seconds


class Durations(Collector):
    """`bounds` in seconds, ascending; what is beyond the last is counted too. `label` may be empty: one series."""

    def __init__(
        self,
        name: str,
        documentation: str,
        *,
        label: str = "",
        bounds: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = [label] if label else []
        self._bounds = tuple(bounds)
        self._series: dict[str, Series] = {}
        registry.register(self)

    def of(self, value: str = "") -> Series:
        series = self._series.get(value)
        if series is None:
            series = self._series[value] = Series(self._bounds)
        return series

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """The registry asks for names when it takes this in."""
        return [self._family()]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = self._family()
        for value, series in self._series.items():
            upper = [*map(str, self._bounds), "+Inf"]
            buckets = list(zip(upper, map(float, accumulate(series.counts)), strict=True))
            family.add_metric([value] if self._labels else [], buckets, series.total_seconds)
        return [family]

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
