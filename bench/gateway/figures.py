"""What was measured: samples by measure and contender; of each the median, the spread, and the ratio to another's."""

from collections.abc import Mapping
from statistics import median

Samples = Mapping[str, Mapping[str, list[float]]]


class Figures:
    """Measures have their unit in their name: `p50_ms`, `cpu_us_per_chunk`."""

    def __init__(self, samples: Samples | None = None) -> None:
        self._samples: dict[str, dict[str, list[float]]] = {}
        for measure, by_contender in (samples or {}).items():
            for contender, values in by_contender.items():
                for value in values:
                    self.add(measure, contender, value)

    def add(self, measure: str, contender: str, value: float) -> None:
        self._samples.setdefault(measure, {}).setdefault(contender, []).append(value)

    def samples(self) -> Samples:
        return self._samples

    def contenders(self) -> list[str]:
        """In the order in which they were first measured."""
        return list(dict.fromkeys(name for each in self._samples.values() for name in each))

    def values(self, measure: str, contender: str) -> list[float]:
        """Empty where that was not measured."""
        return self._samples.get(measure, {}).get(contender, [])

    def median(self, measure: str, contender: str) -> float | None:
        values = self.values(measure, contender)
        return median(values) if values else None

    def spread(self, measure: str, contender: str) -> float | None:
        """From the lowest to the highest, as a share of the median."""
        values = self.values(measure, contender)
        if len(values) < 2 or not median(values):
            return None
        return (max(values) - min(values)) / median(values)

    def ratio(self, measure: str, contender: str, to: str) -> float | None:
        mine, other = self.median(measure, contender), self.median(measure, to)
        return mine / other if mine is not None and other else None

    def added(self, measure: str, contender: str, to: str) -> float | None:
        mine, other = self.median(measure, contender), self.median(measure, to)
        return mine - other if mine is not None and other is not None else None
