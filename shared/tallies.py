"""Counters for Prometheus, of what each request counts several times: the usual ones take a lock each time, and to find
one by its labels takes longer than to count. These are of one thread, the event loop's."""

from collections.abc import Iterable, Sequence

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Tally:
    """Of one set of labels' values."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, amount: int = 1) -> None:
        self.count += amount


class Tallies(Collector):
    """`name` without the `_total` that Prometheus sees. Kept for ever: labels are of few values."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], *, registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._tallies: dict[tuple[str | int, ...], Tally] = {}
        registry.register(self)

    def of(self, *values: str | int) -> Tally:
        """One value for each label."""
        tally = self._tallies.get(values)
        if tally is None:
            tally = self._tallies[values] = Tally()
        return tally

    def describe(self) -> Iterable[CounterMetricFamily]:
        """The registry asks for names when it takes this in."""
        return [self._family()]

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = self._family()
        for values, tally in self._tallies.items():
            family.add_metric([str(value) for value in values], tally.count)
        return [family]

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(self._name, self._documentation, labels=self._labels)
